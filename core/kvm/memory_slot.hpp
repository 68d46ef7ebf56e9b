// Host memory shown to a guest, and how the guest's RAM is cut into such pieces. Pure: no KVM needed.
#pragma once

#include "core/memory/guest_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace plugbay::core {

// Everything is in bytes and a multiple of 4 KiB.
struct MemorySlotRequest {
    std::uint64_t address = 0; // guest-physical
    std::uint64_t size = 0;
    std::byte* host = nullptr; // borrowed; must stay mapped until the slot is removed
    bool read_only = false;    // guest writes become mmio_write exits; needs readonly_memory
    bool log_dirty = false;

    friend bool operator==(const MemorySlotRequest&, const MemorySlotRequest&) = default;
};

// Pages of RAM that the guest does not reach by itself: writes are exits, and with `reads` so are reads.
struct WatchedRam {
    std::uint64_t address = 0;
    std::uint64_t size = 0;
    bool reads = false;
};

// The slots that show all of `ranges` but for what is watched. `watched` overlaps nowhere and lies in the
// ranges, in any order.
[[nodiscard]] std::vector<MemorySlotRequest> cut_ram(std::span<const MemoryRange> ranges,
                                                     std::span<const WatchedRam> watched, bool log_dirty);

} // namespace plugbay::core
