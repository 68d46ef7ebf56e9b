// The monitor's log: spdlog on standard error. Lines of a device start with its id.
// Never called on a guest's access path except through RateLimiter.
#pragma once

#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace plugbay::core {

// Makes the process's logger. Call once, first thing in main.
void start_log(spdlog::level::level_enum level);

// Lets at most `burst` events through per second and counts the rest. Thread: any; lock-free.
class RateLimiter {
  public:
    explicit RateLimiter(std::uint32_t burst = 5) : burst_(burst) {}

    // True when this event may be reported. `suppressed` receives how many were dropped before it.
    [[nodiscard]] bool allow(std::uint64_t& suppressed) {
        const auto now = std::chrono::duration_cast<std::chrono::seconds>(
                             std::chrono::steady_clock::now().time_since_epoch())
                             .count();
        auto window = window_.load(std::memory_order_relaxed);
        if (window != now && window_.compare_exchange_strong(window, now, std::memory_order_relaxed)) {
            count_.store(0, std::memory_order_relaxed);
        }
        if (count_.fetch_add(1, std::memory_order_relaxed) >= burst_) {
            suppressed_.fetch_add(1, std::memory_order_relaxed);
            return false;
        }
        suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
        return true;
    }

  private:
    const std::uint32_t burst_;
    std::atomic<std::int64_t> window_{0};
    std::atomic<std::uint32_t> count_{0};
    std::atomic<std::uint64_t> suppressed_{0};
};

} // namespace plugbay::core
