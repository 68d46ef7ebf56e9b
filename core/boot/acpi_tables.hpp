// The ACPI tables of the VM (ACPI specification 6.5), made from what the devices ask for.
#pragma once

#include "core/base/result.hpp"
#include "core/boot/bytes.hpp"
#include "core/memory/guest_memory.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace plugbay::core {

// Slot `slot`'s pin `pin` (0 is INTA) of the PCI root's bus is wired to this GSI, as _PRT tells the guest.
[[nodiscard]] constexpr std::uint32_t pci_interrupt_gsi(unsigned slot, unsigned pin) {
    return 16 + (slot + pin) % 4;
}

// I/O ports of the ACPI fixed hardware (4.8), implemented by a device. Port 0 means absent for gpe0 and
// reset.
struct AcpiFixedHardware {
    std::string owner = {};              // named in errors
    std::uint16_t pm1a_event_port = 0;   // 4 bytes: status, enable
    std::uint16_t pm1a_control_port = 0; // 2 bytes; SLP_TYP 5 with SLP_EN powers off
    std::uint16_t pm_timer_port = 0;     // 4 bytes, of which 24 bits count at 3.579545 MHz
    std::uint16_t gpe0_port = 0;
    std::uint16_t gpe0_length = 0; // bytes, status and enable half each
    std::uint16_t sci_irq = 9;     // GSI, level-triggered and active high
    std::uint16_t reset_port = 0;
    std::uint8_t reset_value = 0; // written to reset_port resets the VM

    bool operator==(const AcpiFixedHardware&) const = default;
};

// Both ends included.
struct AddressWindow {
    std::uint64_t first;
    std::uint64_t last;
};

// Registers for slots that change while the system runs, as abi/pci_bus.h describes them.
struct AcpiHotPlug {
    std::uint16_t port = 0;
    std::uint32_t event = 0; // general-purpose event, of block 0
};

// What the PCI host bridge passes on to its bus. Ports 0xcf8-0xcff are added by the tables.
struct AcpiPciRoot {
    std::uint8_t first_bus = 0;
    std::uint8_t last_bus = 0;
    std::vector<AddressWindow> io = {};
    std::vector<AddressWindow> memory_32 = {};
    std::vector<AddressWindow> memory_64 = {};
    std::optional<AcpiHotPlug> hot_plug = {};
};

struct AcpiPorts {
    std::uint16_t first;
    std::uint16_t count;

    bool operator==(const AcpiPorts&) const = default;
};

// A device that an operating system finds by its plug-and-play id ("PNP0501") or ACPI id ("QEMU0001").
struct AcpiLegacyDevice {
    std::string owner; // named in errors
    std::string hardware_id;
    std::vector<AcpiPorts> ports = {};
    std::optional<std::uint32_t> irq = {}; // edge-triggered, active high

    bool operator==(const AcpiLegacyDevice&) const = default;
};

// Bytes handed over by a device; `owner` is named in errors.
struct AcpiContribution {
    std::string owner;
    Bytes bytes;

    bool operator==(const AcpiContribution&) const = default;
};

struct AcpiOptions {
    unsigned cpu_count = 1; // APIC IDs and processor UIDs are 0 to cpu_count - 1
    std::optional<AcpiFixedHardware> fixed_hardware = {}; // absent: a hardware-reduced FADT
    std::optional<AcpiPciRoot> pci_root = {};
    std::vector<AcpiLegacyDevice> legacy_devices = {};
    std::vector<AcpiContribution> tables = {}; // each a whole table with header and checksum
};

struct PlacedTable {
    std::string signature;
    std::uint64_t address; // guest-physical
    std::uint64_t length;  // bytes
};

struct AcpiTables {
    std::uint64_t rsdp_address;
    std::uint64_t end;               // first address not used
    std::vector<PlacedTable> tables; // without the RSDP
};

// The first four characters of a table that has them, for people.
[[nodiscard]] std::string acpi_signature(std::span<const std::byte> table);

// Refuses options that no tables can express, naming the value and, where two are in each other's way, both owners. Only the
// size of all tables together is not looked at.
[[nodiscard]] Result<void> check_acpi_options(const AcpiOptions& options);

// Checks the options, then writes all tables to 0xE0000-0xFFFFF of the guest; on error nothing is written.
// No vCPU may run meanwhile.
[[nodiscard]] Result<AcpiTables> build_acpi_tables(const GuestMemory& memory, const AcpiOptions& options);

} // namespace plugbay::core
