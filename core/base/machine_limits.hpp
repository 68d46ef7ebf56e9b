// Bounds of a machine that several rooms keep to.
#pragma once

#include <cstdint>

namespace plugbay::core {

inline constexpr std::uint32_t max_vcpu_count = 16;

} // namespace plugbay::core
