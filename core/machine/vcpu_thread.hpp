// The thread of one virtual CPU: enters the guest, hands its accesses to the bus, and stands still when told
// to.
#pragma once

#include "core/base/result.hpp"
#include "core/bus/access_bus.hpp"
#include "core/bus/presence.hpp"
#include "core/kvm/kvm_vcpu.hpp"
#include "core/machine/vcpu_counts.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
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
    // Starts the thread, parked. On it are called: `on_failure` when the guest fails, `on_debug` when it was parked by
    // a debug exit; the vCPU stays parked then. All references outlive the object.
    VcpuThread(std::unique_ptr<KvmVcpu> vcpu, AccessBus& bus, const GuestMemory& memory,
               std::function<void(GuestFailure)> on_failure, std::function<void()> on_debug);
    VcpuThread(const VcpuThread&) = delete;
    VcpuThread& operator=(const VcpuThread&) = delete;
    ~VcpuThread();

    void run();
    // park() asks, wait_parked() waits until the guest's last access is complete: ask all vCPUs first, then
    // wait. The error tells which device keeps the access for longer than stop_limit; the vCPU parks when it has left.
    static constexpr std::chrono::seconds stop_limit{10};
    void park();
    [[nodiscard]] Result<void> wait_parked(std::chrono::milliseconds limit = stop_limit);

    // Only while parked.
    [[nodiscard]] KvmVcpu& vcpu() { return *vcpu_; }
    // At any time.
    [[nodiscard]] const VcpuCounts& counts() const { return counts_; }

    // --- for a debugger
    // Why the vCPU parked itself, once; nothing: it did not, or runs again.
    [[nodiscard]] std::optional<VcpuExit::Debug> take_debug_exit();
    [[nodiscard]] bool has_debug_exit();
    // A write to this port is as good as an int3: an exit of exception 3 at the instruction, which is
    // `port_trap_length` bytes long. Only while parked.
    static constexpr std::uint8_t trap_port = 0xF1;
    static constexpr std::uint64_t port_trap_length = 2;
    void set_port_trap(bool on) { port_trap_ = on; }

  private:
    enum class Command : std::uint32_t { park, run, end };
    void thread_main();
    void run_guest();
    [[nodiscard]] bool handle(const VcpuExit& exit);
    [[nodiscard]] bool answer(const VcpuExit& exit);
    [[nodiscard]] bool is_trap(const VcpuExit& exit) const;
    void stop_at_trap();
    void stop_for_debugger(const VcpuExit::Debug& debug);
    void fail(std::string summary);

    std::unique_ptr<KvmVcpu> vcpu_;
    AccessBus& bus_;
    const GuestMemory& memory_;
    const std::function<void(GuestFailure)> on_failure_;
    const std::function<void()> on_debug_;
    Presence presence_;
    VcpuCounts counts_;
    bool port_trap_ = false; // written while parked
    std::atomic<Command> command_{Command::park};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool parked_ = false;                       // guarded by mutex_
    std::optional<VcpuExit::Debug> debug_exit_; // guarded by mutex_
    std::thread thread_;
};

} // namespace plugbay::core
