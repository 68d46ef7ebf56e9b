// What the user asks of the loader, and the memory map's vocabulary. Plain values.
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace plugbay::core {

enum class BootProtocol {
    automatic, // chosen from the file's contents, see load_image
    linux64,
    pvh,
    multiboot,
    flat,
};

// The processor mode in which a flat image is entered.
enum class FlatMode { real_16, protected_32, long_64 };

// Address range types of the ACPI specification 6.5, table 15.3; e820, PVH and multiboot share the numbers.
enum class MemoryType : std::uint32_t { usable = 1, reserved = 2 };

// One line of the memory map: guest-physical start, size in bytes.
struct MemoryMapEntry {
    std::uint64_t address;
    std::uint64_t size;
    MemoryType type;
};

struct BootOptions {
    std::string kernel;            // path
    std::string initrd = {};       // path; empty for none
    std::string command_line = {}; // without terminating NUL
    BootProtocol protocol = BootProtocol::automatic;
    std::uint64_t flat_address = 0x7c00; // load address and entry of a flat image
    FlatMode flat_mode = FlatMode::real_16;
    std::uint64_t rsdp_address = 0; // guest-physical; 0 when there are no ACPI tables
};

// "automatic", "linux64", "pvh", "multiboot", "flat": the words of the configuration file.
[[nodiscard]] std::string_view name_of(BootProtocol protocol);
[[nodiscard]] Result<BootProtocol> parse_boot_protocol(std::string_view name);

// "real_16", "protected_32", "long_64".
[[nodiscard]] std::string_view name_of(FlatMode mode);
[[nodiscard]] Result<FlatMode> parse_flat_mode(std::string_view name);

} // namespace plugbay::core
