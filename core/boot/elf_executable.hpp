// ELF executables for x86, 32 and 64 bits, as far as a boot loader reads them.
#pragma once

#include "core/boot/boot_context.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace plugbay::core {

struct ElfSegment {
    std::uint64_t file_offset;
    std::uint64_t file_size;
    std::uint64_t virtual_address;
    std::uint64_t physical_address;
    std::uint64_t memory_size;
    std::uint64_t alignment;
};

// Checked: every segment's file part lies in the file and is no larger than its memory part, and no
// address range wraps around.
struct ElfExecutable {
    bool is_64 = false;
    std::uint64_t entry = 0;
    std::vector<ElfSegment> loads; // PT_LOAD with memory, in file order
    std::vector<ElfSegment> notes; // PT_NOTE
};

[[nodiscard]] bool is_elf(const ImageFile& file);
[[nodiscard]] Result<ElfExecutable> parse_elf(const ImageFile& file);

// The 32-bit physical entry point of the XEN_ELFNOTE_PHYS32_ENTRY note, or nothing without such a note.
[[nodiscard]] Result<std::optional<std::uint32_t>> find_pvh_entry(const ImageFile& file,
                                                                  const ElfExecutable& image);

// Puts every PT_LOAD at its physical address and clears the memory past its file part.
[[nodiscard]] Result<void> load_segments(BootContext& context, const ElfExecutable& image);

// e_entry as a physical address: kernels state either a physical or a virtual one. Error when it is in no
// segment.
[[nodiscard]] Result<std::uint64_t> physical_entry(const ImageFile& file, const ElfExecutable& image);

// True when some segment's memory holds the physical address.
[[nodiscard]] bool in_segments(const ElfExecutable& image, std::uint64_t physical_address);

} // namespace plugbay::core
