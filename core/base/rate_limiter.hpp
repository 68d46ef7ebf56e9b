// How often something may happen, for what a guest can cause.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace plugbay::core {

// Lets `per_second` events a second through (at least 1), after a pause as many as `burst` at once, and counts the rest.
// Thread: any; lock-free.
class RateLimiter {
  public:
    RateLimiter(std::uint32_t per_second, std::uint32_t burst)
        : interval_(std::chrono::nanoseconds(std::chrono::seconds(1)).count() / per_second),
          credit_(interval_ * (std::max(burst, 1U) - 1)) {}

    // True when this event may be reported. `suppressed` receives how many were dropped since the last that was.
    [[nodiscard]] bool allow(std::uint64_t& suppressed) {
        const std::int64_t now =
            std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
        std::int64_t due = due_.load(std::memory_order_relaxed);
        std::int64_t next = 0;
        do {
            if (due - now > credit_) {
                suppressed_.fetch_add(1, std::memory_order_relaxed);
                return false;
            }
            next = std::max(due, now) + interval_;
        } while (!due_.compare_exchange_weak(due, next, std::memory_order_relaxed));
        suppressed = take_suppressed();
        return true;
    }

    // How many were dropped since it was last said.
    [[nodiscard]] std::uint64_t take_suppressed() {
        return suppressed_.exchange(0, std::memory_order_relaxed);
    }

  private:
    const std::int64_t interval_;      // ns
    const std::int64_t credit_;        // ns
    std::atomic<std::int64_t> due_{0}; // when the next event would come if they came at the rate
    std::atomic<std::uint64_t> suppressed_{0};
};

} // namespace plugbay::core
