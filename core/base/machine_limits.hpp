// Bounds of a machine that several rooms keep to.
#pragma once

#include <cstdint>

namespace plugbay::core {

inline constexpr std::uint32_t max_vcpu_count = 16;

// The guest's RAM, in bytes.
inline constexpr std::uint64_t min_guest_memory = std::uint64_t{1} << 20;
inline constexpr std::uint64_t max_guest_memory = std::uint64_t{1} << 40;

} // namespace plugbay::core
