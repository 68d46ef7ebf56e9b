// What is counted of guest accesses to one device.
#pragma once

#include "core/base/counter.hpp"

#include <array>
#include <cstdint>

namespace plugbay::core {

enum class AccessKind : std::uint8_t { read, write, call }; // of ports, memory and MSRs; hypercalls

// Lines of its own: threads that only look at the slot do not wait for those that count.
struct alignas(64) AccessCounts {
    std::array<Counter, 3> accesses; // by AccessKind
    LatencyHistogram latency;        // in the device's code, while measuring is on

    void count(AccessKind kind) { accesses[static_cast<std::size_t>(kind)].add(); }
    [[nodiscard]] std::uint64_t of(AccessKind kind) const {
        return accesses[static_cast<std::size_t>(kind)].value();
    }
};

} // namespace plugbay::core
