#include "core/boot/acpi_table.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

namespace {

constexpr std::size_t serial_port_limit = 15; // names COM1 to COMF
constexpr std::uint8_t gsi_limit = 24;        // pins of KVM's I/O APIC

Result<void> check_windows(std::string_view what, const std::vector<AddressWindow>& windows,
                           std::uint64_t limit) {
    for (const auto& window : windows) {
        if (window.first > window.last || window.last > limit ||
            (window.first == 0 && window.last == ~std::uint64_t{0})) {
            return Error{fmt::format("the PCI root's {} window {:#x}-{:#x} is not within 0-{:#x}", what,
                                     window.first, window.last, limit),
                         "give windows with first <= last"};
        }
    }
    return {};
}

Result<void> check_pci_root(const AcpiPciRoot& root) {
    if (root.first_bus > root.last_bus) {
        return Error{fmt::format("the PCI root's buses {}-{} are no range", root.first_bus, root.last_bus)};
    }
    for (const auto& window : root.io) {
        if (window.first <= 0xcff && window.last >= 0xcf8) {
            return Error{fmt::format("the PCI root's port window {:#x}-{:#x} holds the configuration ports "
                                     "0xcf8-0xcff",
                                     window.first, window.last),
                         "split the window around them"};
        }
    }
    auto done = check_windows("port", root.io, 0xffff);
    if (done) done = check_windows("32-bit memory", root.memory_32, 0xffff'ffff);
    if (done) done = check_windows("64-bit memory", root.memory_64, ~std::uint64_t{0});
    return done;
}

Result<void> check_fixed_hardware(const AcpiFixedHardware& hardware) {
    if (hardware.pm1a_event_port == 0 || hardware.pm1a_control_port == 0) {
        return Error{"the ACPI fixed hardware lacks its PM1a event or control port",
                     "set both, or leave out the fixed hardware"};
    }
    // The register's width in bits goes to a byte of the FADT.
    if ((hardware.gpe0_port == 0) != (hardware.gpe0_length == 0) || hardware.gpe0_length % 2 != 0 ||
        hardware.gpe0_length > 30) {
        return Error{fmt::format("{} bytes of GPE0 registers at port {:#x} are not possible",
                                 hardware.gpe0_length, hardware.gpe0_port),
                     "use an even number up to 30, or 0 for both"};
    }
    if (hardware.sci_irq < 3 || hardware.sci_irq >= gsi_limit) {
        return Error{fmt::format("the SCI cannot be interrupt {}", hardware.sci_irq),
                     "use 9, or another from 3 to 23"};
    }
    return {};
}

// Why `bytes` is no whole ACPI table, or nothing.
std::string table_fault(std::span<const std::byte> bytes) {
    if (bytes.size() < acpi_header_size) {
        return fmt::format("has {} bytes, its header alone needs {}", bytes.size(), acpi_header_size);
    }
    std::uint32_t length = 0;
    std::memcpy(&length, bytes.data() + 4, sizeof(length));
    if (length != bytes.size()) {
        return fmt::format("states a length of {} bytes, but has {}", length, bytes.size());
    }
    if (acpi_sum(bytes) != 0) {
        return fmt::format("has a wrong checksum: its bytes add up to {:#04x} instead of 0", acpi_sum(bytes));
    }
    for (const std::byte byte : bytes.first(4)) {
        const char c = static_cast<char>(byte);
        if ((c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_') {
            return "has a signature that is not four capital letters or digits";
        }
    }
    return "";
}

std::string signature_of(std::span<const std::byte> table) {
    std::string text(4, ' ');
    std::memcpy(text.data(), table.data(), 4);
    return text;
}

bool may_repeat(std::string_view signature) {
    return signature == "SSDT" || signature.starts_with("OEM");
}

} // namespace

Result<void> check_acpi_options(const AcpiOptions& options) {
    if (options.cpu_count < 1 || options.cpu_count > acpi_cpu_limit) {
        return Error{fmt::format("ACPI tables for {} CPUs are not possible", options.cpu_count),
                     fmt::format("choose 1 to {}", acpi_cpu_limit)};
    }
    if (options.serial_ports.size() > serial_port_limit) {
        return Error{
            fmt::format("{} serial ports are too many for the ACPI tables", options.serial_ports.size()),
            fmt::format("use at most {}", serial_port_limit)};
    }
    for (const auto& port : options.serial_ports) {
        if (port.irq >= gsi_limit) {
            return Error{fmt::format("the serial port at {:#x} cannot use interrupt {}", port.port, port.irq),
                         "use 0 to 23"};
        }
    }
    Result<void> done;
    if (options.fixed_hardware) done = check_fixed_hardware(*options.fixed_hardware);
    if (done && options.pci_root) done = check_pci_root(*options.pci_root);
    return done;
}

Result<std::vector<Bytes>> collect_extra_tables(const AcpiOptions& options) {
    constexpr std::array own{"RSDT", "XSDT", "FACP", "FACS", "DSDT", "APIC", "RSD "};
    std::vector<Bytes> tables;
    std::vector<std::string> seen(own.begin(), own.end());
    for (const auto& given : options.tables) {
        const auto fault = table_fault(given.bytes);
        if (!fault.empty()) {
            return Error{fmt::format("the ACPI table of {} {}", given.owner, fault),
                         "correct the device's table"};
        }
        const auto signature = signature_of(given.bytes);
        if (!may_repeat(signature) && std::ranges::find(seen, signature) != seen.end()) {
            return Error{fmt::format("{} gives a table {}, which the VM has already", given.owner, signature),
                         "use a table of this kind only once"};
        }
        seen.push_back(signature);
        tables.push_back(given.bytes);
    }
    std::size_t index = 0;
    for (const auto& fragment : options.aml_fragments) {
        if (fragment.bytes.empty()) {
            return Error{fmt::format("the AML fragment of {} is empty", fragment.owner), "leave it out"};
        }
        tables.push_back(
            make_acpi_table("SSDT", 2, fragment.bytes, fmt::format("PBFRAG{:02X}", index++ & 0xff)));
    }
    return tables;
}

} // namespace plugbay::core
