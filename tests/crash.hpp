// What a build does that crashes.
#pragma once

namespace plugbay {

// A store to nowhere, which ends as a signal also where a sanitizer would have its say first.
[[gnu::noinline]] __attribute__((no_sanitize("address", "undefined"))) inline void crash() {
    *static_cast<volatile int*>(nullptr) = 1;
}

} // namespace plugbay
