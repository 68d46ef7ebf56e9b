// Where guest accesses to a device come in: what one of its tokens leads to.
#pragma once

#include <cstdint>

namespace plugbay::core {

struct AccessPlace {
    enum class Kind : std::uint8_t { ports, memory, bar };
    Kind kind = Kind::memory;
    std::uint64_t token = 0;  // of the build that asked
    std::uint64_t base = 0;   // the first port or address; of a BAR, its number
    std::uint64_t length = 0; // bytes
};

} // namespace plugbay::core
