// What KVM answers and drives by itself, so that no device there is ever asked. Pure: no KVM needed.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace plugbay::core {

struct OwnRange {
    enum class Space : std::uint8_t { ports, memory, lines };
    Space space;
    std::uint64_t first;
    std::uint64_t last;
    std::string_view what; // "interval timer"

    [[nodiscard]] constexpr bool overlaps(std::uint64_t begin, std::uint64_t end) const {
        return begin <= last && first <= end;
    }
};

// Three pages and one page that KVM uses on Intel processors without unrestricted guest mode, in the PCI hole
// below the firmware's 256 KiB, where nothing else is.
inline constexpr std::uint64_t identity_map_address = 0xFFFB'C000;
inline constexpr std::uint64_t tss_address = 0xFFFB'D000;

// Of a VM with interrupt controllers and timer in the kernel.
[[nodiscard]] std::span<const OwnRange> own_ranges();

} // namespace plugbay::core
