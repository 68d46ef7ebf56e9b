#include "core/base/machine_limits.hpp"
#include "core/boot/acpi_table.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

namespace {

constexpr std::size_t legacy_device_limit = 256;
constexpr std::uint8_t gsi_limit = 24; // pins of KVM's I/O APIC

Result<void> check_windows(std::string_view what, const std::vector<AddressWindow>& windows,
                           std::uint64_t limit) {
    for (const auto& window : windows) {
        if (window.first > window.last || window.last > limit ||
            (window.first == 0 && window.last == limit)) { // its length does not fit the descriptor
            return Error{fmt::format("the PCI root's {} window {:#x}-{:#x} is no part of 0-{:#x}", what,
                                     window.first, window.last, limit),
                         "give windows with first <= last, smaller than the whole"};
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
        return Error{"the ACPI fixed hardware of " + hardware.owner + " lacks its PM1a event or control port",
                     "set both, or leave out the fixed hardware"};
    }
    // The register's width in bits goes to a byte of the FADT.
    if ((hardware.gpe0_port == 0) != (hardware.gpe0_length == 0) || hardware.gpe0_length % 2 != 0 ||
        hardware.gpe0_length > 30) {
        return Error{fmt::format("{} bytes of GPE0 registers at port {:#x} of {} are not possible",
                                 hardware.gpe0_length, hardware.gpe0_port, hardware.owner),
                     "use an even number up to 30, or 0 for both"};
    }
    if (hardware.sci_irq < 3 || hardware.sci_irq >= gsi_limit) {
        return Error{fmt::format("the SCI of {} cannot be interrupt {}", hardware.owner, hardware.sci_irq),
                     "use 9, or another from 3 to 23"};
    }
    return {};
}

// An EISA id is three capital letters and four hexadecimal digits, an ACPI id four letters or digits and four
// hexadecimal digits (6.1.5).
bool is_hardware_id(std::string_view id) {
    if (id.size() != 7 && id.size() != 8) return false;
    const bool acpi = id.size() == 8;
    const auto letter = [&](char c) { return (c >= 'A' && c <= 'Z') || (acpi && c >= '0' && c <= '9'); };
    const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
    return std::all_of(id.begin(), id.end() - 4, letter) && std::all_of(id.end() - 4, id.end(), digit);
}

Result<void> check_legacy_device(const AcpiLegacyDevice& device) {
    if (!is_hardware_id(device.hardware_id)) {
        return Error{
            fmt::format("\"{}\" of {} is no plug-and-play id", device.hardware_id, device.owner),
            "use three capital letters and four hexadecimal digits, as in PNP0501, or four and four, as in "
            "QEMU0001"};
    }
    for (const AcpiPorts& range : device.ports) {
        if (range.count == 0 || range.count > 255 || range.first + range.count > 0x10000) {
            return Error{
                fmt::format("{} ports from {:#x} of {} do not exist", range.count, range.first, device.owner),
                "use 1 to 255 of the ports up to 0xffff"};
        }
    }
    if (device.irq && *device.irq >= gsi_limit) {
        return Error{fmt::format("{} cannot use interrupt {}", device.owner, *device.irq), "use 0 to 23"};
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

bool may_repeat(std::string_view signature) {
    return signature == "SSDT" || signature.starts_with("OEM");
}

Result<void> check_tables(const std::vector<AcpiContribution>& tables) {
    constexpr std::array own{"RSDT", "XSDT", "FACP", "FACS", "DSDT", "APIC", "RSD "};
    for (auto given = tables.begin(); given != tables.end(); ++given) {
        if (const auto fault = table_fault(given->bytes); !fault.empty()) {
            return Error{fmt::format("the ACPI table of {} {}", given->owner, fault),
                         "correct the device's table"};
        }
        const auto signature = acpi_signature(given->bytes);
        if (may_repeat(signature)) continue;
        const auto other = std::find_if(tables.begin(), given, [&](const AcpiContribution& each) {
            return acpi_signature(each.bytes) == signature;
        });
        const bool machines = std::ranges::find(own, signature) != own.end();
        if (!machines && other == given) continue;
        return Error{fmt::format("{} gives a table {}, which the VM has already from {}", given->owner,
                                 signature, machines ? "the monitor" : other->owner),
                     "use a table of this kind only once"};
    }
    return {};
}

} // namespace

std::string acpi_signature(std::span<const std::byte> table) {
    std::string text(4, ' ');
    std::memcpy(text.data(), table.data(), std::min(table.size(), text.size()));
    return text;
}

Result<void> check_acpi_options(const AcpiOptions& options) {
    if (options.cpu_count < 1 || options.cpu_count > max_vcpu_count) {
        return Error{fmt::format("ACPI tables for {} CPUs are not possible", options.cpu_count),
                     fmt::format("choose 1 to {}", max_vcpu_count)};
    }
    if (options.legacy_devices.size() > legacy_device_limit) {
        return Error{
            fmt::format("{} legacy devices are too many for the ACPI tables", options.legacy_devices.size()),
            fmt::format("use at most {}", legacy_device_limit)};
    }
    for (const auto& device : options.legacy_devices) {
        if (auto done = check_legacy_device(device); !done) return done;
    }
    Result<void> done;
    if (options.fixed_hardware) done = check_fixed_hardware(*options.fixed_hardware);
    if (done && options.pci_root) done = check_pci_root(*options.pci_root);
    if (done) done = check_tables(options.tables);
    return done;
}

} // namespace plugbay::core
