#include "core/device/callback_lock.hpp"

#include <mutex>
#include <thread>
#include <vector>

namespace plugbay::core {

// As many cores as there ever were groups at one time, in the whole process.
class CallbackLock::CorePool {
  public:
    [[nodiscard]] static std::shared_ptr<Core> take() {
        auto& pool = instance();
        const std::lock_guard guard(pool.mutex_);
        if (pool.free_.empty()) {
            pool.all_.push_back(std::make_unique<Core>());
            pool.free_.reserve(pool.all_.size()); // giving back never allocates
            pool.free_.push_back(pool.all_.back().get());
        }
        Core* const core = pool.free_.back();
        pool.free_.pop_back();
        return {core, [](Core* unused) {
                    auto& owner = instance();
                    const std::lock_guard again(owner.mutex_);
                    owner.free_.push_back(unused);
                }};
    }

  private:
    static CorePool& instance() {
        static CorePool pool;
        return pool;
    }
    std::mutex mutex_; // for what follows
    std::vector<std::unique_ptr<Core>> all_;
    std::vector<Core*> free_;
};

CallbackLock::CallbackLock() : keeps_(CorePool::take()), core_(keeps_.get()) {}

void CallbackLock::regroup(std::span<CallbackLock* const> members, CallbackLock& target) {
    if (members.empty() || members.front()->same_group(target)) return;
    Core* const from = members.front()->core_.load();
    Core* const to = target.core_.load();
    for (;;) { // never waits for one group while it holds the other
        from->lock();
        if (to->try_lock()) break;
        from->unlock();
        std::this_thread::yield();
    }
    const std::shared_ptr<Core> old = members.front()->keeps_; // not given back before it is unlocked
    for (CallbackLock* member : members) {
        member->keeps_ = target.keeps_;
        member->core_.store(to, std::memory_order_release);
    }
    to->unlock();
    from->unlock();
}

bool CallbackLock::try_lock_until(std::chrono::steady_clock::time_point deadline) {
    constexpr int short_rounds = 1000; // most callbacks take no longer
    for (int round = 0;; ++round) {
        Core* const core = core_.load(std::memory_order_acquire);
        if (core->held()) {
            core->lock();
            return true;
        }
        if (core->try_lock()) {
            // The device may have changed its group meanwhile.
            if (core_.load(std::memory_order_relaxed) == core) return true;
            core->unlock();
        } else if (round < short_rounds) {
            std::this_thread::yield();
        } else {
            if (std::chrono::steady_clock::now() >= deadline) return false;
            std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
    }
}

bool CallbackLock::Core::try_lock() {
    std::uintptr_t expected = 0;
    if (!owner_.compare_exchange_strong(expected, this_thread(), std::memory_order_acquire)) return false;
    depth_ = 1;
    return true;
}

void CallbackLock::Core::lock_contended(std::uintptr_t self) {
    constexpr int spins = 200; // about the length of a register access
    for (int i = 0; i < spins; ++i) {
        std::uintptr_t expected = 0;
        if (owner_.load(std::memory_order_relaxed) == 0 &&
            owner_.compare_exchange_weak(expected, self, std::memory_order_acquire)) {
            return;
        }
        __builtin_ia32_pause();
    }
    // The waiter count and the owner form a Dekker pair with unlock(): either unlock sees the count and
    // wakes, or the owner that wait() compares against is already gone.
    waiters_.fetch_add(1, std::memory_order_seq_cst);
    for (;;) {
        std::uintptr_t expected = 0;
        if (owner_.compare_exchange_strong(expected, self, std::memory_order_seq_cst)) break;
        owner_.wait(expected, std::memory_order_seq_cst);
    }
    waiters_.fetch_sub(1, std::memory_order_relaxed);
}

} // namespace plugbay::core
