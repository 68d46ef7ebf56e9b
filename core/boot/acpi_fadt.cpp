#include "core/boot/acpi_table.hpp"

namespace plugbay::core {

namespace {

// Fixed feature flags, table 5.10.
constexpr std::uint32_t wbinvd = 1 << 0;
constexpr std::uint32_t c1_everywhere = 1 << 2;
constexpr std::uint32_t no_fixed_sleep_button = 1 << 5;
constexpr std::uint32_t no_fixed_rtc_wake = 1 << 6;
constexpr std::uint32_t reset_supported = 1 << 10;
constexpr std::uint32_t hardware_reduced = 1 << 20;

// IA-PC boot architecture flags, table 5.11.
constexpr std::uint16_t legacy_devices = 1 << 0;
constexpr std::uint16_t has_8042 = 1 << 1;
constexpr std::uint16_t no_vga = 1 << 2;
constexpr std::uint16_t no_cmos_rtc = 1 << 5;

constexpr std::uint16_t no_c_state = 0x0fff; // a latency above 1000 us says that C2 and C3 do not exist

constexpr std::uint8_t byte_access = 1;
constexpr std::uint8_t word_access = 2;
constexpr std::uint8_t dword_access = 3;

std::uint32_t feature_flags(const AcpiOptions& options) {
    std::uint32_t flags = wbinvd | c1_everywhere | no_fixed_sleep_button | no_fixed_rtc_wake;
    if (!options.fixed_hardware) return flags | hardware_reduced;
    if (options.fixed_hardware->reset_port != 0) flags |= reset_supported;
    return flags;
}

std::uint16_t boot_flags(const AcpiOptions& options) {
    unsigned flags = no_vga;
    if (has_device(options, serial_port_id) || has_device(options, keyboard_id)) flags |= legacy_devices;
    if (has_device(options, keyboard_id)) flags |= has_8042;
    if (!has_device(options, clock_id)) flags |= no_cmos_rtc;
    return static_cast<std::uint16_t>(flags);
}

// Generic Address Structure (5.2.3.2) of I/O ports; all zero for port 0, which says "not there".
void append_ports(Bytes& bytes, std::uint16_t port, std::uint8_t length, std::uint8_t access) {
    constexpr std::uint8_t io_space = 1;
    const bool present = port != 0;
    append(bytes, static_cast<std::uint8_t>(present ? io_space : 0));
    append(bytes, static_cast<std::uint8_t>(present ? length * 8 : 0)); // bits
    append(bytes, std::uint8_t{0});                                     // bit offset
    append(bytes, static_cast<std::uint8_t>(present ? access : 0));
    append(bytes, std::uint64_t{port});
}

} // namespace

Bytes make_fadt(const AcpiOptions& options, std::uint64_t facs, std::uint64_t dsdt) {
    const AcpiFixedHardware hardware = options.fixed_hardware.value_or(AcpiFixedHardware{.sci_irq = 0});
    const auto gpe0_length = static_cast<std::uint8_t>(hardware.gpe0_length); // has been checked
    const auto length = [](std::uint16_t port, std::uint8_t bytes) {
        return static_cast<std::uint8_t>(port == 0 ? 0 : bytes);
    };
    Bytes body;
    append(body, static_cast<std::uint32_t>(facs)); // the 64-bit field stays 0: one of the two, 5.2.9
    append(body, static_cast<std::uint32_t>(dsdt));
    append(body, std::uint8_t{0}); // reserved
    append(body, std::uint8_t{0}); // preferred power profile: unspecified
    append(body, hardware.sci_irq);
    append(body, std::uint32_t{0}); // SMI command port: ACPI mode is always on
    append(body, std::uint32_t{0}); // ACPI enable and disable, S4BIOS, P-state control
    append(body, std::uint32_t{hardware.pm1a_event_port});
    append(body, std::uint32_t{0}); // PM1b event
    append(body, std::uint32_t{hardware.pm1a_control_port});
    append(body, std::uint32_t{0}); // PM1b control
    append(body, std::uint32_t{0}); // PM2 control
    append(body, std::uint32_t{hardware.pm_timer_port});
    append(body, std::uint32_t{hardware.gpe0_port});
    append(body, std::uint32_t{0}); // GPE1
    append(body, length(hardware.pm1a_event_port, 4));
    append(body, length(hardware.pm1a_control_port, 2));
    append(body, std::uint8_t{0}); // PM2 control length
    append(body, length(hardware.pm_timer_port, 4));
    append(body, length(hardware.gpe0_port, gpe0_length));
    append(body, std::uint8_t{0});  // GPE1 length
    append(body, std::uint8_t{0});  // GPE1 base
    append(body, std::uint8_t{0});  // C-state control
    append(body, no_c_state);       // C2
    append(body, no_c_state);       // C3
    append(body, std::uint32_t{0}); // flush size and stride: WBINVD works
    append(body, std::uint16_t{0}); // duty offset and width
    append(body, std::uint16_t{0}); // alarm day and month
    append(body, static_cast<std::uint8_t>(
                     has_device(options, clock_id) ? 0x32 : 0)); // century, index in CMOS memory
    append(body, boot_flags(options));
    append(body, std::uint8_t{0}); // reserved
    append(body, feature_flags(options));
    append_ports(body, hardware.reset_port, 1, byte_access);
    append(body, hardware.reset_value);
    append(body, std::uint16_t{0}); // ARM boot flags
    append(body, std::uint8_t{0});  // minor revision
    append(body, std::uint64_t{0}); // X_FIRMWARE_CTRL
    append(body, dsdt);
    append_ports(body, hardware.pm1a_event_port, 4, word_access);
    append_ports(body, 0, 0, 0); // PM1b event
    append_ports(body, hardware.pm1a_control_port, 2, word_access);
    append_ports(body, 0, 0, 0); // PM1b control
    append_ports(body, 0, 0, 0); // PM2 control
    append_ports(body, hardware.pm_timer_port, 4, dword_access);
    append_ports(body, hardware.gpe0_port, gpe0_length, byte_access);
    append_ports(body, 0, 0, 0);    // GPE1
    append_ports(body, 0, 0, 0);    // sleep control
    append_ports(body, 0, 0, 0);    // sleep status
    append(body, std::uint64_t{0}); // hypervisor identity
    return make_acpi_table("FACP", 6, body);
}

Bytes make_facs() {
    constexpr std::uint32_t size = 64;
    Bytes table;
    append_text(table, "FACS", 4);
    append(table, size);
    table.resize(size); // signature, waking vector, lock and flags are 0
    constexpr std::size_t version_offset = 32;
    table[version_offset] = std::byte{2};
    return table;
}

} // namespace plugbay::core
