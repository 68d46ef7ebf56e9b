// The guest's time line: nanoseconds since the machine first started, standing still while it is stopped.
#pragma once

#include "core/io/io_loop.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace plugbay::core {

// start() and stop(): [control], without locks; the others: any thread.
class GuestClock {
  public:
    // Somebody whose deadline cannot be translated while the clock stands still.
    class Waiter {
      public:
        virtual ~Waiter() = default;
        virtual void clock_started() = 0;
    };
    // False: the clock runs. Otherwise the waiter is told, once, when it starts.
    [[nodiscard]] bool wait_for_start(std::weak_ptr<Waiter> waiter) {
        const std::lock_guard guard(mutex_);
        if (stopped_at_.load() == runs) return false;
        waiters_.push_back(std::move(waiter));
        return true;
    }

    [[nodiscard]] bool running() const { return stopped_at_.load(std::memory_order_acquire) == runs; }
    [[nodiscard]] std::uint64_t now() const {
        const std::uint64_t stopped = stopped_at_.load(std::memory_order_acquire);
        return stopped != runs ? stopped : IoLoop::now() - offset_.load(std::memory_order_acquire);
    }
    // The host's monotonic time at which the guest's clock shows `guest`, if it does not stop before.
    [[nodiscard]] std::uint64_t to_host(std::uint64_t guest) const {
        const std::uint64_t host = guest + offset_.load(std::memory_order_acquire);
        return host >= guest ? host : ~std::uint64_t{0}; // "never" stays never
    }
    void start() {
        std::vector<std::weak_ptr<Waiter>> waiters;
        {
            const std::lock_guard guard(mutex_);
            if (stopped_at_.load() == runs) return;
            offset_.store(IoLoop::now() - stopped_at_.load());
            stopped_at_.store(runs, std::memory_order_release);
            waiters = std::exchange(waiters_, {});
        }
        for (const auto& each : waiters) {
            if (const auto waiter = each.lock()) waiter->clock_started();
        }
    }
    // While it stands still.
    void set(std::uint64_t now) { stopped_at_.store(now, std::memory_order_release); }
    void stop() { stopped_at_.store(now(), std::memory_order_release); }

  private:
    static constexpr std::uint64_t runs = ~std::uint64_t{0};
    std::atomic<std::uint64_t> offset_{0};     // host time minus guest time
    std::atomic<std::uint64_t> stopped_at_{0}; // `runs`, or the time at which it stands
    std::mutex mutex_;
    std::vector<std::weak_ptr<Waiter>> waiters_; // guarded by mutex_
};

} // namespace plugbay::core
