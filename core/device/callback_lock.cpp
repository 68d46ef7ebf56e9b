#include "core/device/callback_lock.hpp"

namespace plugbay::core {

void CallbackLock::lock_contended(std::uintptr_t self) {
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
