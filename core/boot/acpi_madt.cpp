#include "core/boot/acpi_table.hpp"

namespace plugbay::core {

namespace {

constexpr std::uint32_t local_apic_address = 0xfee0'0000;
constexpr std::uint32_t io_apic_address = 0xfec0'0000;
constexpr std::uint32_t has_8259 = 1 << 0;

// Flags of interrupts, table 5.26.
constexpr std::uint16_t as_the_bus_says = 0;
constexpr std::uint16_t level_active_high = 0x0d;

void append_override(Bytes& body, std::uint8_t irq, std::uint32_t gsi, std::uint16_t flags) {
    append(body, std::uint8_t{2});
    append(body, std::uint8_t{10});
    append(body, std::uint8_t{0}); // ISA
    append(body, irq);
    append(body, gsi);
    append(body, flags);
}

} // namespace

Bytes make_madt(const AcpiOptions& options) {
    Bytes body;
    append(body, local_apic_address);
    append(body, has_8259);
    for (unsigned cpu = 0; cpu < options.cpu_count; ++cpu) {
        append(body, std::uint8_t{0});
        append(body, std::uint8_t{8});
        append(body, static_cast<std::uint8_t>(cpu)); // processor UID
        append(body, static_cast<std::uint8_t>(cpu)); // APIC ID
        append(body, std::uint32_t{1});               // enabled
    }
    append(body, std::uint8_t{1});
    append(body, std::uint8_t{12});
    append(body, std::uint8_t{0}); // I/O APIC ID: KVM's after reset
    append(body, std::uint8_t{0});
    append(body, io_apic_address);
    append(body, std::uint32_t{0}); // first GSI

    append_override(body, 0, 2, as_the_bus_says); // the PIT
    // Only ISA interrupts have anything to override; above them the FADT's number is the GSI.
    if (options.fixed_hardware && options.fixed_hardware->sci_irq < 16) {
        const auto irq = static_cast<std::uint8_t>(options.fixed_hardware->sci_irq);
        append_override(body, irq, irq, level_active_high);
    }
    append(body, std::uint8_t{4}); // NMI of the local APICs
    append(body, std::uint8_t{6});
    append(body, std::uint8_t{0xff}); // all processors
    append(body, as_the_bus_says);
    append(body, std::uint8_t{1}); // LINT1
    return make_acpi_table("APIC", 4, body);
}

} // namespace plugbay::core
