// What every protocol's loader works on, and the steps they share.
#pragma once

#include "core/boot/boot_options.hpp"
#include "core/boot/cpu_entry.hpp"
#include "core/boot/guest_space.hpp"
#include "core/boot/image_file.hpp"

#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

namespace plugbay::core {

struct BootContext {
    const GuestMemory& memory;
    const BootOptions& options;
    const ImageFile& kernel;
    const std::vector<MemoryMapEntry>& memory_map;
    GuestSpace space;
};

// What one protocol's loader hands back. `summary` goes to the log, in words.
struct LoadedKernel {
    CpuEntry entry;
    std::string summary;
};

// Where the initrd went; size 0 when there is none.
struct PlacedInitrd {
    std::uint64_t address = 0;
    std::uint64_t size = 0;
};

// The highest address an initrd may occupy when the kernel does not say.
inline constexpr std::uint64_t default_initrd_limit = 0x7fff'ffff;

// Linux's COMMAND_LINE_SIZE on x86 less the NUL, for kernels whose image does not say.
inline constexpr std::uint64_t default_command_line_limit = 2047;

// Writes the NUL-terminated command line at layout::command_line. `limit` is in bytes without the NUL.
[[nodiscard]] Result<void> place_command_line(BootContext& context, std::uint64_t limit);

// Loads options.initrd, when given, as high as it fits with no byte above `last_address`. Call it after the
// kernel has claimed its memory.
[[nodiscard]] Result<PlacedInitrd> place_initrd(BootContext& context, std::uint64_t last_address);

// Writes a GDT that suits entry.mode and refers the entry to it.
[[nodiscard]] Result<void> place_gdt(BootContext& context, CpuEntry& entry);

// Maps the first 4 GiB to themselves with 2 MiB pages (no 1 GiB pages: not every CPU model has them).
[[nodiscard]] Result<void> place_page_tables(BootContext& context, CpuEntry& entry);

// Gives the image one page of stack.
[[nodiscard]] Result<void> place_stack(BootContext& context, CpuEntry& entry);

// Claims memory for a structure of the guest's and writes it.
template <typename T>
[[nodiscard]] Result<void> place_structure(BootContext& context, std::uint64_t address, const T& value,
                                           std::string_view owner) {
    static_assert(std::is_trivially_copyable_v<T>);
    auto bytes = context.space.claim(address, sizeof(T), owner);
    if (!bytes) return std::move(bytes).error();
    std::memcpy(bytes->data(), &value, sizeof(T));
    return {};
}

} // namespace plugbay::core
