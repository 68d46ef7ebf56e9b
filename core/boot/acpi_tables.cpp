#include "core/boot/acpi_tables.hpp"

#include "core/boot/acpi_table.hpp"
#include "core/boot/guest_layout.hpp"

#include <cstring>
#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

namespace {

constexpr std::size_t rsdp_size = 36;
constexpr std::size_t rsdp_first_part = 20; // what ACPI 1.0 defined and sums separately
constexpr std::uint64_t alignment = 16;
constexpr std::uint64_t facs_alignment = 64; // 5.2.10

// Lays tables one after the other in an image of the area, which is written to the guest in one go.
class Area {
  public:
    // The table's guest-physical address.
    std::uint64_t add(std::span<const std::byte> table, std::uint64_t align = alignment) {
        bytes_.resize((bytes_.size() + align - 1) / align * align);
        const std::uint64_t address = layout::acpi_start + bytes_.size();
        append(bytes_, table);
        tables_.push_back({.signature = acpi_signature(table), .address = address, .length = table.size()});
        return address;
    }

    void set_rsdp(std::span<const std::byte> rsdp) { std::memcpy(bytes_.data(), rsdp.data(), rsdp_size); }

    [[nodiscard]] const Bytes& bytes() const { return bytes_; }
    [[nodiscard]] const std::vector<PlacedTable>& tables() const { return tables_; }

  private:
    Bytes bytes_ = Bytes(rsdp_size); // the RSDP is first, where a guest's search finds it soonest
    std::vector<PlacedTable> tables_;
};

// 5.2.5.3
Bytes make_rsdp(std::uint64_t xsdt) {
    constexpr std::size_t checksum_offset = 8;
    constexpr std::size_t extended_checksum_offset = 32;
    Bytes rsdp;
    append_text(rsdp, "RSD PTR ", 8);
    append(rsdp, std::uint8_t{0});
    append_text(rsdp, "PLUGBY", 6);
    append(rsdp, std::uint8_t{2});  // revision
    append(rsdp, std::uint32_t{0}); // no RSDT
    append(rsdp, std::uint32_t{rsdp_size});
    append(rsdp, xsdt);
    append(rsdp, std::uint32_t{0}); // extended checksum, reserved
    rsdp[checksum_offset] = static_cast<std::byte>(0x100 - acpi_sum(std::span{rsdp}.first(rsdp_first_part)));
    rsdp[extended_checksum_offset] = static_cast<std::byte>(0x100 - acpi_sum(rsdp));
    return rsdp;
}

} // namespace

Result<AcpiTables> build_acpi_tables(const GuestMemory& memory, const AcpiOptions& options) {
    auto valid = check_acpi_options(options);
    if (!valid) return std::move(valid).error();

    Area area;
    const auto facs = area.add(make_facs(), facs_alignment);
    const auto dsdt = area.add(make_dsdt(options));
    Bytes pointers;
    append(pointers, area.add(make_fadt(options, facs, dsdt)));
    append(pointers, area.add(make_madt(options)));
    for (const auto& table : options.tables)
        append(pointers, area.add(table.bytes));
    area.set_rsdp(make_rsdp(area.add(make_acpi_table("XSDT", 1, pointers))));

    const auto size = area.bytes().size();
    if (size > layout::acpi_end - layout::acpi_start) {
        return Error{fmt::format("the ACPI tables have {} bytes, but only {} fit at {:#x}-{:#x}", size,
                                 layout::acpi_end - layout::acpi_start, layout::acpi_start,
                                 layout::acpi_end - 1),
                     "use fewer devices that bring tables of their own"};
    }
    if (!memory.write(layout::acpi_start, area.bytes())) {
        return Error{fmt::format("guest memory has no RAM at {:#x} for the ACPI tables", layout::acpi_start),
                     "give the VM more memory"};
    }
    return AcpiTables{
        .rsdp_address = layout::acpi_start, .end = layout::acpi_start + size, .tables = area.tables()};
}

} // namespace plugbay::core
