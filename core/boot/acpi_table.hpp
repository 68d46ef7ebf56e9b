// Parts the ACPI tables are made of. Internal to core/boot.
#pragma once

#include "core/boot/acpi_tables.hpp"

#include <algorithm>
#include <span>
#include <string_view>

namespace plugbay::core {

inline constexpr std::size_t acpi_header_size = 36;

// All bytes added modulo 256; 0 for a valid table (5.2.6).
[[nodiscard]] std::uint8_t acpi_sum(std::span<const std::byte> bytes);

// A table with the common header, its length and checksum, around `body`.
[[nodiscard]] Bytes make_acpi_table(std::string_view signature, std::uint8_t revision,
                                    std::span<const std::byte> body, std::string_view table_id = "PLUGBAY");

// 5.2.9, revision 6.0. Addresses are guest-physical, below 4 GiB.
[[nodiscard]] Bytes make_fadt(const AcpiOptions& options, std::uint64_t facs, std::uint64_t dsdt);

// 5.2.10
[[nodiscard]] Bytes make_facs();

// 5.2.12
[[nodiscard]] Bytes make_madt(const AcpiOptions& options);

[[nodiscard]] Bytes make_dsdt(const AcpiOptions& options);

// Plug-and-play ids that the tables treat specially.
inline constexpr std::string_view serial_port_id = "PNP0501";
inline constexpr std::string_view keyboard_id = "PNP0303";
inline constexpr std::string_view clock_id = "PNP0B00";

[[nodiscard]] inline bool has_device(const AcpiOptions& options, std::string_view hardware_id) {
    return std::ranges::any_of(options.legacy_devices,
                               [&](const auto& device) { return device.hardware_id == hardware_id; });
}

} // namespace plugbay::core
