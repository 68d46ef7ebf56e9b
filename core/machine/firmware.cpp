#include "core/machine/firmware.hpp"

#include "core/boot/acpi_tables.hpp"

namespace plugbay::core {

namespace {

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

} // namespace

Result<LoadedImage> prepare_boot(const GuestMemory& memory, const MachineConfig& config,
                                 const FirmwareRecords& records, const PciBuses& buses) {
    AcpiOptions acpi;
    acpi.cpu_count = config.cpus;
    records.add_to(acpi);
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
