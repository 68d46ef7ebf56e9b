#include "core/boot/acpi_table.hpp"
#include "core/boot/aml.hpp"

#include <spdlog/fmt/fmt.h>
#include <string>

namespace plugbay::core {

namespace {

using aml::Code;
using aml::ResourceTemplate;

constexpr unsigned pci_slots = 32;
constexpr unsigned pci_pins = 4;
constexpr std::uint8_t power_off_sleep_type = 5;

Code processor(unsigned index) {
    return aml::device(fmt::format("C{:03X}", index), aml::join({aml::name("_HID", aml::string("ACPI0007")),
                                                                 aml::name("_UID", aml::integer(index))}));
}

// 6.2.13: each pin of each slot is wired to a GSI for good (no link devices).
Code interrupt_routing() {
    std::vector<Code> routes;
    for (unsigned slot = 0; slot < pci_slots; ++slot) {
        for (unsigned pin = 0; pin < pci_pins; ++pin) {
            routes.push_back(aml::package({aml::integer(slot << 16 | 0xffff), aml::integer(pin),
                                           aml::integer(0), aml::integer(pci_interrupt_gsi(slot, pin))}));
        }
    }
    return aml::name("_PRT", aml::package(routes));
}

std::string slot_name(unsigned slot) {
    return fmt::format("S{:03X}", slot);
}

// 5.6.6: what Notify tells of a device.
constexpr std::uint64_t device_check = 1;
constexpr std::uint64_t eject_request = 3;

// 6.3: slots that can change; slot 0 is the bridge itself. SCAN(slots, what) notifies the devices of a bit map, LOOK asks
// the registers for what has happened.
Code hot_plug_slots(const AcpiHotPlug& hot_plug) {
    Code code = aml::port_registers("HPRG", hot_plug.port, {"CHNG", "RQST", "EJCT"});
    Code scan;
    for (unsigned slot = 1; slot < pci_slots; ++slot) {
        const Code mask = aml::integer(std::uint64_t{1} << slot);
        append(code,
               aml::device(slot_name(slot), aml::join({aml::name("_ADR", aml::integer(slot << 16)),
                                                       aml::name("_SUN", aml::integer(slot)),
                                                       aml::method("_EJ0", 1, aml::store(mask, "EJCT"))})));
        append(scan, aml::when(aml::bitwise_and(aml::argument(0), mask),
                               aml::notify(slot_name(slot), aml::argument(1))));
    }
    append(code, aml::method("SCAN", 2, scan));
    append(
        code,
        aml::method("LOOK", 0,
                    aml::join({aml::call("SCAN", {aml::name_string("CHNG"), aml::integer(device_check)}),
                               aml::call("SCAN", {aml::name_string("RQST"), aml::integer(eject_request)})})));
    return code;
}

// 5.6.4.1.1: what the general-purpose event runs; edge-triggered, because the registers keep no level.
Code hot_plug_event(const AcpiHotPlug& hot_plug) {
    return aml::scope(
        "\\_GPE", aml::method(fmt::format("_E{:02X}", hot_plug.event), 0, aml::call("\\_SB.PCI0.LOOK", {})));
}

Code pci_root(const AcpiPciRoot& root) {
    ResourceTemplate resources;
    resources.word_bus_number(root.first_bus, root.last_bus).io(0xcf8, 8);
    for (const auto& window : root.io) {
        resources.word_io(static_cast<std::uint16_t>(window.first), static_cast<std::uint16_t>(window.last));
    }
    for (const auto& window : root.memory_32) {
        resources.dword_memory(static_cast<std::uint32_t>(window.first),
                               static_cast<std::uint32_t>(window.last));
    }
    for (const auto& window : root.memory_64)
        resources.qword_memory(window.first, window.last);
    return aml::device(
        "PCI0",
        aml::join({aml::name("_HID", aml::eisa_id("PNP0A03")), aml::name("_UID", aml::integer(0)),
                   aml::name("_BBN", aml::integer(root.first_bus)), aml::name("_CRS", resources.code()),
                   interrupt_routing(), root.hot_plug ? hot_plug_slots(*root.hot_plug) : Code{}}));
}

// 6.1.5: an EISA id is packed into a number, an ACPI id is text.
Code hardware_id(const std::string& id) {
    return id.size() == 7 ? aml::eisa_id(id) : aml::string(id);
}

// Devices are named by their place in the list; serial ports are numbered for "COM1" and so on.
Code legacy_device(const AcpiOptions& options, std::size_t index) {
    const AcpiLegacyDevice& device = options.legacy_devices[index];
    std::size_t alike = 0;
    bool shares_irq = false;
    for (std::size_t i = 0; i < options.legacy_devices.size(); ++i) {
        const AcpiLegacyDevice& other = options.legacy_devices[i];
        if (i < index && other.hardware_id == device.hardware_id) ++alike;
        if (i != index && device.irq && other.irq == device.irq) shares_irq = true;
    }
    ResourceTemplate resources;
    for (const AcpiPorts& range : device.ports)
        resources.io(range.first, static_cast<std::uint8_t>(range.count));
    if (device.irq) resources.interrupt(*device.irq, ResourceTemplate::Trigger::edge_high, shares_irq);
    return aml::device(
        fmt::format("L{:03X}", index),
        aml::join({aml::name("_HID", hardware_id(device.hardware_id)),
                   aml::name("_UID", aml::integer(alike + 1)), aml::name("_CRS", resources.code())}));
}

} // namespace

Bytes make_dsdt(const AcpiOptions& options) {
    Code devices;
    for (unsigned cpu = 0; cpu < options.cpu_count; ++cpu)
        append(devices, processor(cpu));
    if (options.pci_root) append(devices, pci_root(*options.pci_root));
    for (std::size_t i = 0; i < options.legacy_devices.size(); ++i)
        append(devices, legacy_device(options, i));

    Code body = aml::scope("\\_SB", devices);
    if (options.pci_root && options.pci_root->hot_plug)
        append(body, hot_plug_event(*options.pci_root->hot_plug));
    if (options.fixed_hardware) {
        const Code type = aml::integer(power_off_sleep_type);
        append(body, aml::name("\\_S5", aml::package({type, type, aml::integer(0), aml::integer(0)})));
    }
    return make_acpi_table("DSDT", 2, body);
}

} // namespace plugbay::core
