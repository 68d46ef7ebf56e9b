#include "core/boot/acpi_table.hpp"

namespace plugbay::core {

std::uint8_t acpi_sum(std::span<const std::byte> bytes) {
    unsigned sum = 0;
    for (const std::byte byte : bytes)
        sum += std::to_integer<unsigned>(byte);
    return static_cast<std::uint8_t>(sum & 0xff);
}

Bytes make_acpi_table(std::string_view signature, std::uint8_t revision, std::span<const std::byte> body,
                      std::string_view table_id) {
    constexpr std::size_t checksum_offset = 9;
    Bytes table;
    append_text(table, signature, 4);
    append(table, static_cast<std::uint32_t>(acpi_header_size + body.size()));
    append(table, revision);
    append(table, std::uint8_t{0}); // checksum
    append_text(table, "PLUGBY", 6);
    append_text(table, table_id, 8);
    append(table, std::uint32_t{1}); // OEM revision
    append_text(table, "PBAY", 4);   // creator
    append(table, std::uint32_t{1}); // creator revision
    append(table, body);
    table[checksum_offset] = static_cast<std::byte>(0x100 - acpi_sum(table));
    return table;
}

} // namespace plugbay::core
