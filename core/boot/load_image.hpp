// Loads what the VM boots into guest memory. The one entrance of this room for kernels; ACPI tables have
// their own in acpi_tables.hpp.
#pragma once

#include "core/base/result.hpp"
#include "core/boot/boot_options.hpp"
#include "core/boot/cpu_entry.hpp"
#include "core/boot/guest_space.hpp"
#include "core/memory/guest_memory.hpp"

#include <string>
#include <vector>

namespace plugbay::core {

struct LoadedImage {
    CpuEntry entry;                         // for the first vCPU
    BootProtocol protocol;                  // what was used, never automatic
    std::string summary;                    // one line for the log
    std::vector<MemoryMapEntry> memory_map; // as told to the guest, by every protocol but flat
    std::vector<ClaimedRange> used;         // what the loader wrote, in the order of writing
};

// Reads options.kernel (and initrd) and writes guest RAM; may be called again for a reset, everything it
// uses is written anew. No vCPU may run meanwhile. Automatic takes the first that fits: bzImage -> linux64,
// ELF with a PVH note -> pvh, multiboot header -> multiboot, other 64-bit ELF -> linux64. The files are not
// trusted: an error names the file, what was expected, what was found and what to do.
[[nodiscard]] Result<LoadedImage> load_image(const GuestMemory& memory, const BootOptions& options);

} // namespace plugbay::core
