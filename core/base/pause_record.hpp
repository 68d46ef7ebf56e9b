// How often and for how long something stood still, in nanoseconds.
#pragma once

#include <algorithm>
#include <cstdint>

namespace plugbay::core {

// Thread: one at a time.
struct PauseRecord {
    std::uint64_t count = 0; // of those that are over
    std::uint64_t last = 0;
    std::uint64_t longest = 0;
    std::uint64_t total = 0;

    void add(std::uint64_t nanoseconds) {
        ++count;
        last = nanoseconds;
        longest = std::max(longest, nanoseconds);
        total += nanoseconds;
    }
};

} // namespace plugbay::core
