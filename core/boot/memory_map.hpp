// The memory map told to the guest (e820, PVH, multiboot).
#pragma once

#include "core/boot/boot_options.hpp"
#include "core/memory/guest_memory.hpp"

#include <vector>

namespace plugbay::core {

// Sorted by address and free of overlaps: RAM below 0x9fc00, reserved up to 1 MiB, the rest of RAM. At most
// layout::map_entry_limit entries.
[[nodiscard]] std::vector<MemoryMapEntry> make_memory_map(const GuestMemory& memory);

} // namespace plugbay::core
