// The memory map told to the guest (e820, PVH, multiboot).
#pragma once

#include "core/base/result.hpp"
#include "core/boot/boot_options.hpp"
#include "core/memory/guest_memory.hpp"

#include <span>
#include <vector>

namespace plugbay::core {

// Sorted by address and free of overlaps: RAM below 0x9fc00, reserved up to 1 MiB, the rest of RAM, with
// `reserved` cut out of these and shown with its own types. Error when a reserved range is empty, wraps
// around or overlaps another, or when there are more than layout::map_entry_limit entries.
[[nodiscard]] Result<std::vector<MemoryMapEntry>> make_memory_map(const GuestMemory& memory,
                                                                  std::span<const ReservedRange> reserved);

} // namespace plugbay::core
