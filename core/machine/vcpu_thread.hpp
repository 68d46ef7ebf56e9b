// The thread of one virtual CPU: enters the guest, hands its accesses to the bus, and stands still when told
// to.
#pragma once

#include "core/bus/access_bus.hpp"
#include "core/bus/presence.hpp"
#include "core/kvm/kvm_vcpu.hpp"
#include "core/machine/vcpu_counts.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace plugbay::core {

class GuestMemory;

// Why a vCPU cannot go on: one line, then details (registers, code bytes).
struct GuestFailure {
    std::string summary;
    std::vector<std::string> details;
};

// Thread: [control] for all members.
class VcpuThread {
  public:
    // Starts the thread, parked. `on_failure` is called on it when the guest fails; the vCPU stays parked
    // then. All references outlive the object.
    VcpuThread(std::unique_ptr<KvmVcpu> vcpu, AccessBus& bus, const GuestMemory& memory,
               std::function<void(GuestFailure)> on_failure);
    VcpuThread(const VcpuThread&) = delete;
    VcpuThread& operator=(const VcpuThread&) = delete;
    ~VcpuThread();

    void run();
    // park() asks, wait_parked() waits until the guest's last access is complete: ask all vCPUs first, then
    // wait.
    void park();
    void wait_parked();

    // Only while parked.
    [[nodiscard]] KvmVcpu& vcpu() { return *vcpu_; }
    // At any time.
    [[nodiscard]] const VcpuCounts& counts() const { return counts_; }

  private:
    enum class Command : std::uint32_t { park, run, end };
    void thread_main();
    void run_guest();
    [[nodiscard]] bool handle(const VcpuExit& exit);
    [[nodiscard]] bool answer(const VcpuExit& exit);
    void fail(std::string summary);

    std::unique_ptr<KvmVcpu> vcpu_;
    AccessBus& bus_;
    const GuestMemory& memory_;
    const std::function<void(GuestFailure)> on_failure_;
    Presence presence_;
    VcpuCounts counts_;
    std::atomic<Command> command_{Command::park};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool parked_ = false; // guarded by mutex_
    std::thread thread_;
};

} // namespace plugbay::core
