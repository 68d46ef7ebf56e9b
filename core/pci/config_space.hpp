// The 256 bytes of a PCI function's configuration space: values, and which bits the guest may change.
// PCI Local Bus Specification 3.0, chapter 6.
#pragma once

#include <plugbay/abi/pci.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace plugbay::core {

namespace pci_register {
inline constexpr std::uint32_t vendor_id = 0x00;
inline constexpr std::uint32_t device_id = 0x02;
inline constexpr std::uint32_t command = 0x04;
inline constexpr std::uint32_t status = 0x06;
inline constexpr std::uint32_t revision = 0x08;
inline constexpr std::uint32_t class_code = 0x09;
inline constexpr std::uint32_t bar0 = 0x10;
inline constexpr std::uint32_t subsystem_vendor_id = 0x2c;
inline constexpr std::uint32_t subsystem_id = 0x2e;
inline constexpr std::uint32_t capabilities = 0x34;
inline constexpr std::uint32_t interrupt_line = 0x3c;
inline constexpr std::uint32_t interrupt_pin = 0x3d;
inline constexpr std::uint32_t first_capability = 0x40;
} // namespace pci_register

namespace pci_command {
inline constexpr std::uint16_t decode_ports = 1 << 0;
inline constexpr std::uint16_t decode_memory = 1 << 1;
inline constexpr std::uint16_t bus_master = 1 << 2;
inline constexpr std::uint16_t pin_disable = 1 << 10;
} // namespace pci_command

// Offsets are below 256 and accesses inside one doubleword; the caller has checked. Not thread-safe.
class ConfigSpace {
  public:
    static constexpr std::uint32_t size = 256;

    bool operator==(const ConfigSpace&) const = default;

    [[nodiscard]] std::uint32_t read(std::uint32_t offset, std::uint32_t width) const;
    [[nodiscard]] std::uint8_t writable(std::uint32_t offset) const { return writable_[offset]; }
    // As the guest: changes only writable bits.
    void write(std::uint32_t offset, std::uint32_t width, std::uint32_t value);
    // As the host: changes anything.
    void set(std::uint32_t offset, std::uint32_t width, std::uint32_t value);
    void set_writable(std::uint32_t offset, std::uint32_t width, std::uint32_t mask);

    // Links a capability into the list; returns its offset, or 0 when there is no room left.
    [[nodiscard]] std::uint32_t add_capability(std::uint8_t id, std::span<const std::uint8_t> body,
                                               const std::uint8_t* writable);

  private:
    std::array<std::uint8_t, size> bytes_{};
    std::array<std::uint8_t, size> writable_{};
    std::uint32_t next_capability_ = pci_register::first_capability;
    std::uint32_t last_link_ = pci_register::capabilities; // where the next capability's offset goes
};

} // namespace plugbay::core
