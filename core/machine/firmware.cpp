#include "core/machine/firmware.hpp"

#include "core/boot/acpi_tables.hpp"

#include <cstring>
#include <limits>
#include <string>

namespace plugbay::core {

namespace {

constexpr std::uint32_t no_line = std::numeric_limits<std::uint32_t>::max(); // plugbay_acpi_legacy_device

// How errors name a device.
std::string device_text(const std::string& id) {
    return "device \"" + id + "\"";
}

AcpiFixedHardware fixed_hardware(const std::string& owner, const plugbay_acpi_fixed_hardware& given) {
    return {.owner = device_text(owner),
            .pm1a_event_port = given.pm1_event_port,
            .pm1a_control_port = given.pm1_control_port,
            .pm_timer_port = given.pm_timer_port,
            .gpe0_port = given.gpe0_port,
            .gpe0_length = given.gpe0_length,
            .sci_irq = given.sci_line,
            .reset_port = given.reset_port,
            .reset_value = given.reset_value};
}

AcpiPciRoot pci_root(const plugbay_pci_bus& bus) {
    AcpiPciRoot root;
    const auto add = [](std::vector<AddressWindow>& windows, std::uint64_t first, std::uint64_t size) {
        if (size != 0) windows.push_back({.first = first, .last = first + size - 1});
    };
    add(root.io, bus.port_window, bus.port_window_size);
    add(root.memory_32, bus.memory32_window, bus.memory32_window_size);
    add(root.memory_64, bus.memory64_window, bus.memory64_window_size);
    return root;
}

void add_legacy(AcpiOptions& options, const FirmwareRecords::LegacyDevice& record) {
    const plugbay_acpi_legacy_device& device = record.device;
    const auto& id = device.hardware_id;
    AcpiLegacyDevice added{.owner = device_text(record.owner),
                           .hardware_id = std::string(id, strnlen(id, sizeof id))};
    if (device.port_count != 0)
        added.ports.push_back({.first = device.first_port, .count = device.port_count});
    if (device.second_port_count != 0) {
        added.ports.push_back({.first = device.second_port, .count = device.second_port_count});
    }
    if (device.line != no_line) added.irq = device.line;
    options.legacy_devices.push_back(std::move(added));
}

} // namespace

Result<LoadedImage> prepare_boot(const GuestMemory& memory, const MachineConfig& config,
                                 const FirmwareRecords& records, const PciBuses& buses) {
    AcpiOptions acpi;
    acpi.cpu_count = config.cpus;
    if (records.fixed_hardware())
        acpi.fixed_hardware = fixed_hardware(records.fixed_hardware_owner(), *records.fixed_hardware());
    if (!buses.buses().empty()) {
        const plugbay_pci_bus& bus = buses.buses().front()->description();
        acpi.pci_root = pci_root(bus);
        // Half of the event block's bytes are status bits.
        const bool has_event =
            acpi.fixed_hardware && bus.hotplug_event < 4u * acpi.fixed_hardware->gpe0_length;
        if (bus.hotplug_port != 0 && has_event) {
            acpi.pci_root->hot_plug =
                AcpiHotPlug{.port = static_cast<std::uint16_t>(bus.hotplug_port), .event = bus.hotplug_event};
        }
    }
    for (const auto& record : records.legacy_devices())
        add_legacy(acpi, record);
    for (const auto& table : records.tables())
        acpi.tables.push_back({.owner = device_text(table.owner), .bytes = table.bytes});
    const auto tables = build_acpi_tables(memory, acpi);
    if (!tables) return with_context("ACPI tables", tables.error());

    BootOptions boot{.kernel = config.boot.kernel,
                     .initrd = config.boot.initrd,
                     .command_line = config.boot.command_line,
                     .rsdp_address = tables->rsdp_address};
    const auto protocol = parse_boot_protocol(config.boot.protocol);
    if (!protocol) return protocol.error();
    boot.protocol = *protocol;
    if (boot.protocol == BootProtocol::flat) {
        const auto mode = parse_flat_mode(config.boot.mode);
        if (!mode) return mode.error();
        boot.flat_mode = *mode;
        boot.flat_address = config.boot.address;
    }
    return load_image(memory, boot);
}

} // namespace plugbay::core
