// Where the loader puts things below 1 MiB. The table in docs/boot.md shows the same numbers.
#pragma once

#include <cstdint>

namespace plugbay::core::layout {

inline constexpr std::uint64_t page_size = 0x1000;

inline constexpr std::uint64_t gdt = 0x500;              // four descriptors
inline constexpr std::uint64_t boot_information = 0x600; // PVH start info or multiboot information
inline constexpr std::uint64_t boot_modules = 0x680;     // one PVH or multiboot module entry
inline constexpr std::uint64_t loader_name = 0x6c0;      // multiboot only, NUL-terminated
inline constexpr std::uint64_t boot_memory_map = 0x700;  // PVH or multiboot, up to map_entry_limit entries
inline constexpr std::uint64_t zero_page = 0x7000;       // Linux struct boot_params, one page
inline constexpr std::uint64_t stack = 0x8000;           // one page, for the image's first instructions
inline constexpr std::uint64_t stack_top = 0x9000;
inline constexpr std::uint64_t page_tables = 0x9000;   // PML4, PDPT, four page directories
inline constexpr std::uint64_t command_line = 0x20000; // NUL-terminated
inline constexpr std::uint64_t command_line_room = 0x10000;

inline constexpr std::uint64_t conventional_end = 0x9fc00; // where a PC's extended BIOS data area begins
inline constexpr std::uint64_t legacy_hole = 0xa0000;
inline constexpr std::uint64_t acpi_start = 0xe0000; // the area in which a guest searches for the RSDP
inline constexpr std::uint64_t acpi_end = 0x100000;
inline constexpr std::uint64_t high_memory = 0x100000;

// struct boot_params holds so many; PVH and multiboot keep to the same.
inline constexpr std::uint64_t map_entry_limit = 128;

} // namespace plugbay::core::layout
