// What the guest's accesses and the values of registers are called, by the map that a device type declares
// (abi/registers.h). For what is printed, not for the access path: it searches and allocates.
#pragma once

#include "core/plugin/master_device_table.hpp"
#include "core/plugin/register_description.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

// As the device's access callbacks get it.
struct RegisterAccess {
    std::uint64_t token = 0;
    std::uint64_t offset = 0;
    std::uint32_t width = 0;
    bool is_write = false;
};

// What of a register an access reaches.
struct RegisterPart {
    const RegisterDescription* whole = nullptr;
    std::uint64_t element = 0;    // of an array
    std::uint32_t first_byte = 0; // in the register
    std::uint32_t bytes = 0;
    std::uint32_t access_byte = 0; // where these bytes are in the access
};

// The map of a loaded type; empty when it declares none.
[[nodiscard]] const std::vector<RegisterBlockDescription>& registers_of(const LoadedType& type);

// In the order of their places. Several for one place where the map has a `when`, which only the device can decide.
[[nodiscard]] std::vector<RegisterPart> registers_at(const std::vector<RegisterBlockDescription>& blocks,
                                                     const RegisterAccess& access);

// "LCR", "DATA[3]", "PM1_STS byte 1", "PM1_STS, PM1_EN", "RBR or DLL"; empty: the map has nothing there.
[[nodiscard]] std::string register_name(const std::vector<RegisterBlockDescription>& blocks,
                                        const RegisterAccess& access);

// "LCR=0x83 (WLS=8 bits, DLAB=1)". Fields that are 0 and have no name for that are left out, as are fields that only
// one of several possible registers has. Empty: the map has nothing there.
[[nodiscard]] std::string register_text(const std::vector<RegisterBlockDescription>& blocks,
                                        const RegisterAccess& access, std::uint64_t value);

// The fields of `value` alone: "WLS=8 bits, DLAB=1".
[[nodiscard]] std::string field_text(const RegisterDescription& one, std::uint64_t value);
// Those that two values differ in: "WLS 5 bits became 8 bits, DLAB 0 became 1".
[[nodiscard]] std::string field_differences(const RegisterDescription& one, std::uint64_t before,
                                            std::uint64_t after);

// The register that a field of the device's state keeps; null when the map does not tell.
[[nodiscard]] const RegisterDescription*
register_of_state(const std::vector<RegisterBlockDescription>& blocks, std::string_view state_field);

} // namespace plugbay::core
