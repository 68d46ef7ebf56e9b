// Shared by the two halves of ElfImage: elf_image.cpp and elf_tables.cpp.
#pragma once

#include "core/plugin/elf_image.hpp"

namespace plugbay::core {

// The entries of the dynamic segment that matter here; 0: not there.
struct ElfImage::Dynamic {
    std::uint64_t symbols = 0;
    std::uint64_t strings = 0, strings_size = 0;
    std::uint64_t hash = 0, gnu_hash = 0;
    std::uint64_t relocations = 0, relocations_size = 0;
    std::uint64_t packed = 0, packed_size = 0;
    std::uint64_t flags = 0;           // DF_1_...
    std::uint64_t versions = 0;        // of symbols (DT_VERSYM)
    std::vector<std::uint64_t> needed; // places in the table of names
    bool text_relocations = false;
};

namespace elf {

// A relocation type of our own, for DT_RELR: the addend is at the relocated address itself.
constexpr std::uint32_t packed_relative = ~std::uint32_t{0};

[[nodiscard]] inline Error malformed(const std::string& what) {
    return Error{"is not a well-formed shared object: " + what, "build the plugin again"};
}

} // namespace elf

} // namespace plugbay::core
