// The guest's time line: nanoseconds since the machine first started, standing still while it is stopped.
#pragma once

#include "core/io/io_loop.hpp"

#include <atomic>
#include <cstdint>

namespace plugbay::core {

// now() and to_host(): any thread. start() and stop(): [control].
class GuestClock {
  public:
    [[nodiscard]] std::uint64_t now() const {
        const std::uint64_t stopped = stopped_at_.load(std::memory_order_acquire);
        return stopped != running ? stopped : IoLoop::now() - offset_.load(std::memory_order_acquire);
    }
    // The host's monotonic time at which the guest's clock shows `guest`, if it does not stop before.
    [[nodiscard]] std::uint64_t to_host(std::uint64_t guest) const {
        return guest + offset_.load(std::memory_order_acquire);
    }
    void start() {
        if (stopped_at_.load() == running) return;
        offset_.store(IoLoop::now() - stopped_at_.load());
        stopped_at_.store(running, std::memory_order_release);
    }
    void stop() { stopped_at_.store(now(), std::memory_order_release); }

  private:
    static constexpr std::uint64_t running = ~std::uint64_t{0};
    std::atomic<std::uint64_t> offset_{0};     // host time minus guest time
    std::atomic<std::uint64_t> stopped_at_{0}; // `running`, or the time at which it stands
};

} // namespace plugbay::core
