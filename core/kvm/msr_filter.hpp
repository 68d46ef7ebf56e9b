// Which accesses to MSRs leave the guest, as KVM wants to be told: at most 16 ranges with a bit for each
// MSR. Pure: no KVM needed.
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace plugbay::core {

struct MsrInterception {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    bool read = false;
    bool write = false;
};

// KVM takes the first range that holds an MSR and names the direction; a set bit lets the access through to
// KVM, and so does being in no range.
struct MsrFilterRange {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    bool read = false;
    bool write = false;
    std::vector<std::uint8_t> allowed = {}; // one bit an MSR, whole 64-bit words
};

inline constexpr std::size_t most_msr_filter_ranges = 16;
inline constexpr std::uint32_t most_msrs_in_filter_range = 0x600 * 8;

// `interceptions` overlap nowhere and do not wrap, in any order. An error when they need too many ranges.
[[nodiscard]] Result<std::vector<MsrFilterRange>>
compute_msr_filter(std::span<const MsrInterception> interceptions);

} // namespace plugbay::core
