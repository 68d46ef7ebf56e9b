// Tells somebody what the guest does with devices while it does it: each access, as many as a reader can use, and how many
// there were besides. A thread of its own reads the rings, so that neither the guest nor a device waits for a reader.
#pragma once

#include "core/base/rate_limiter.hpp"
#include "core/base/result.hpp"
#include "core/trace/access_tap.hpp"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace plugbay::core {

class DeviceManager;

struct TracedAccess {
    const std::string& device;
    const AccessRecord& record;
    const AccessNames& names;
    std::uint64_t left_out; // since the last that was told
    bool swapped;           // it is the first that is told of another build
};

// Thread: [control], which made it. The devices outlive it.
class Tracer {
  public:
    // Called on the tracer's thread, one at a time; neither may wait for anybody.
    struct Listener {
        std::function<void(const TracedAccess&)> access;
        // The device is not traced any more.
        std::function<void(const std::string& device, const std::string& why, std::uint64_t left_out)> over;
    };
    Tracer(DeviceManager& devices, Listener listener) : devices_(devices), listener_(std::move(listener)) {}
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;
    // Ends all, and tells so.
    ~Tracer();

    // Begins with the next access; goes on over hot swaps, and ends with the device.
    [[nodiscard]] Result<void> start(std::string_view device);
    [[nodiscard]] Result<void> stop(std::string_view device);
    [[nodiscard]] std::vector<std::string> traced() const; // ids

  private:
    struct Trace {
        explicit Trace(std::string id) : device(std::move(id)) {}
        const std::string device;
        const std::shared_ptr<AccessTap> tap = std::make_shared<AccessTap>(waiting);
        // --- the tracer's thread
        RateLimiter limiter{told_per_second, told_at_once};
        std::uint64_t lost = 0;  // of the ring's, that have been counted
        std::uint16_t build = 0; // of the last that was told; 0: there was none
    };
    static constexpr std::size_t waiting = 8192; // records
    static constexpr std::uint32_t told_per_second = 1000;
    static constexpr std::uint32_t told_at_once = 2000;

    void run();
    // Tells what has come; false when nothing more will.
    [[nodiscard]] bool drain(Trace& trace) const;
    [[nodiscard]] std::shared_ptr<Trace> find(std::string_view device) const; // null: it is not traced

    DeviceManager& devices_;
    const Listener listener_;
    mutable std::mutex mutex_; // for what follows; nothing is taken under it
    std::condition_variable wake_;
    std::vector<std::shared_ptr<Trace>> traces_;
    bool ending_ = false;
    std::thread thread_; // from the first trace on
};

// "com1 12.003456789 vcpu0 write ports 0x3f8 + 0x3 LCR = 0x83 (WLS=8 bits, DLAB=1)", for terminals.
[[nodiscard]] std::string line_of(const TracedAccess& access);
// "vcpu0"; what does not come from a vCPU: "host".
[[nodiscard]] std::string origin_of(const AccessRecord& record);

} // namespace plugbay::core
