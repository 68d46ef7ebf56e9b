// Numbers of the virtio specification (version 1.2) that the transport and every device share.
#pragma once

#include <cstdint>

namespace plugbay::virtio {

// Reserved feature bits (section 6).
inline constexpr std::uint64_t feature_indirect_descriptors = std::uint64_t{1} << 28;
inline constexpr std::uint64_t feature_event_index = std::uint64_t{1} << 29;
inline constexpr std::uint64_t feature_version_1 = std::uint64_t{1} << 32;

// Device status bits (section 2.1).
inline constexpr std::uint8_t status_acknowledge = 1;
inline constexpr std::uint8_t status_driver = 2;
inline constexpr std::uint8_t status_driver_ok = 4;
inline constexpr std::uint8_t status_features_ok = 8;
inline constexpr std::uint8_t status_needs_reset = 64;
inline constexpr std::uint8_t status_failed = 128;

// Split virtqueues (section 2.7): descriptor and ring flags.
inline constexpr std::uint16_t descriptor_next = 1;
inline constexpr std::uint16_t descriptor_write = 2;
inline constexpr std::uint16_t descriptor_indirect = 4;
inline constexpr std::uint16_t available_no_interrupt = 1;
inline constexpr std::uint16_t used_no_notify = 1;

// The PCI transport (section 4.1).
inline constexpr std::uint16_t pci_vendor_id = 0x1af4;
inline constexpr std::uint16_t pci_first_device_id = 0x1040; // plus the virtio device id
inline constexpr std::uint8_t interrupt_queue = 1;           // bits of the ISR status register
inline constexpr std::uint8_t interrupt_config = 2;

} // namespace plugbay::virtio
