// The lock that makes a device's callbacks happen one at a time. Devices joined by links form a group whose
// locks are one, so that a call through a link is already serialised.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

namespace plugbay::core {

// One a device. Recursive, because a device's callback calls its peer, which answers from inside. Uncontended
// lock and unlock cost one atomic exchange each; a waiter spins briefly and then sleeps. Satisfies
// BasicLockable.
//
// Rank: taken before every other lock of the core. A thread holds at most one chain of these, in the order
// "bus before function": only the PCI room takes a second one while holding a first.
class CallbackLock {
  public:
    CallbackLock(); // a group of its own
    CallbackLock(const CallbackLock&) = delete;
    CallbackLock& operator=(const CallbackLock&) = delete;

    void lock() {
        for (;;) {
            Core* const core = core_.load(std::memory_order_acquire);
            core->lock();
            // The device may have changed its group while this thread waited.
            if (core_.load(std::memory_order_relaxed) == core) [[likely]]
                return;
            core->unlock();
        }
    }
    // False, and not locked, when another thread held it all the time until `deadline`.
    [[nodiscard]] bool try_lock_until(std::chrono::steady_clock::time_point deadline);
    void unlock() { core_.load(std::memory_order_relaxed)->unlock(); }

    // Whether the calling thread holds it.
    [[nodiscard]] bool held() const { return core_.load(std::memory_order_acquire)->held(); }
    [[nodiscard]] bool same_group(const CallbackLock& other) const {
        return core_.load(std::memory_order_acquire) == other.core_.load(std::memory_order_acquire);
    }

    // [control] Moves `members`, which form one group or a part of one, into the group of `target`. The caller
    // holds none of them. Waits until no callback of either group runs.
    static void regroup(std::span<CallbackLock* const> members, CallbackLock& target);

  private:
    // What all locks of a group share. Never freed, only used again: a thread that read core_ a moment too
    // early may still lock it.
    class Core {
      public:
        void lock() {
            const auto self = this_thread();
            if (owner_.load(std::memory_order_relaxed) == self) {
                ++depth_;
                return;
            }
            std::uintptr_t expected = 0;
            if (!owner_.compare_exchange_strong(expected, self, std::memory_order_acquire))
                lock_contended(self);
            depth_ = 1;
        }
        [[nodiscard]] bool try_lock();
        void unlock() {
            if (--depth_ != 0) return;
            owner_.store(0, std::memory_order_seq_cst); // see lock_contended
            if (waiters_.load(std::memory_order_seq_cst) != 0) owner_.notify_one();
        }
        [[nodiscard]] bool held() const { return owner_.load(std::memory_order_relaxed) == this_thread(); }

      private:
        [[nodiscard]] static std::uintptr_t this_thread() {
            static thread_local char identity;
            return reinterpret_cast<std::uintptr_t>(&identity);
        }
        void lock_contended(std::uintptr_t self);

        std::atomic<std::uintptr_t> owner_{0}; // 0: free
        std::atomic<std::uint32_t> waiters_{0};
        std::uint32_t depth_ = 0; // guarded by ownership
    };
    class CorePool;

    std::shared_ptr<Core> keeps_; // control thread only; the last to let go gives the core back to the pool
    std::atomic<Core*> core_;     // *keeps_; changes only while held
};

} // namespace plugbay::core
