// What a build does that crashes.
#pragma once

namespace plugbay {

// A store to nowhere, which ends as a signal also where a sanitizer would have its say first.
[[gnu::noinline]] __attribute__((no_sanitize("address", "undefined"))) inline void crash() {
    // Both volatile: else the compiler sees that it goes nowhere, and leaves it out.
    volatile int* volatile nowhere = nullptr;
    *nowhere = 1; // NOLINT
}

// Calls itself until the stack is used up. Volatile keeps the compiler from noticing.
[[gnu::noinline]] __attribute__((no_sanitize("address", "undefined"))) inline int
use_up_stack(volatile int& depth) {
    depth = depth + 1;
    return depth < 0 ? 0 : use_up_stack(depth) + depth;
}

} // namespace plugbay
