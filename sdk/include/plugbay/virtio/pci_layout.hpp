// What the PCI transport shows a driver: one memory BAR with the four structures and the capabilities that
// say where they are (virtio 1.2, section 4.1.4).
#pragma once

#include <plugbay/pci/function.hpp>
#include <plugbay/virtio/ids.hpp>

#include <array>
#include <cstdint>
#include <vector>

namespace plugbay::virtio::pci_layout {

inline constexpr unsigned structures_bar = 0; // 64 bits: takes BAR 1 too
inline constexpr unsigned msix_bar = 2;
inline constexpr std::uint64_t bar_length = 0x4000;

// One page each, so that a guest may map them with different rights.
inline constexpr std::uint32_t common_offset = 0x0000;
inline constexpr std::uint32_t isr_offset = 0x1000;
inline constexpr std::uint32_t device_offset = 0x2000;
inline constexpr std::uint32_t notify_offset = 0x3000;
inline constexpr std::uint32_t page = 0x1000;
inline constexpr std::uint32_t common_length = 0x38; // up to queue_device; later fields are not offered
inline constexpr std::uint32_t notify_multiplier = 4;
inline constexpr unsigned most_queues = page / notify_multiplier;

// The fields of the common configuration structure (section 4.1.4.3).
enum Common : std::uint32_t {
    device_feature_select = 0x00,
    device_feature = 0x04,
    driver_feature_select = 0x08,
    driver_feature = 0x0c,
    config_vector = 0x10,
    num_queues = 0x12,
    device_status = 0x14,
    config_generation = 0x15,
    queue_select = 0x16,
    queue_size = 0x18,
    queue_vector = 0x1a,
    queue_enable = 0x1c,
    queue_notify_off = 0x1e,
    queue_descriptors = 0x20,
    queue_driver = 0x28,
    queue_device = 0x30,
};

// The PCI configuration access capability (section 4.1.4.9): the guest's accesses from the field `bar` to the
// end of pci_cfg_data are ours.
inline constexpr std::uint32_t window_capability = 4; // its number below
inline constexpr std::uint32_t window_bar = 0;        // offsets from the hook's start
inline constexpr std::uint32_t window_offset = 4;
inline constexpr std::uint32_t window_length = 8;
inline constexpr std::uint32_t window_data = 12;

// struct virtio_pci_cap after its two-byte header, with `extra` bytes behind.
inline pci::Capability structure(std::uint8_t type, std::uint32_t offset, std::uint32_t length,
                                 std::uint8_t extra = 0) {
    pci::Capability capability;
    capability.id = 0x09; // vendor-specific
    capability.body.assign(14u + extra, 0);
    capability.body[0] = static_cast<std::uint8_t>(16 + extra);
    capability.body[1] = type;
    capability.body[2] = structures_bar;
    for (unsigned i = 0; i < 4; ++i) {
        capability.body[6 + i] = static_cast<std::uint8_t>(offset >> (8 * i));
        capability.body[10 + i] = static_cast<std::uint8_t>(length >> (8 * i));
    }
    return capability;
}

// `config_length`: of the device-specific configuration; 0: the device has none.
inline void describe(pci::Description& description, unsigned queues, std::uint32_t config_length) {
    description.bar(structures_bar, PLUGBAY_BAR_MEMORY64, bar_length)
        .msix(static_cast<std::uint16_t>(queues + 1), msix_bar)
        .interrupt_pin(1);
    auto notify = structure(2, notify_offset, queues * notify_multiplier, 4);
    notify.body[14] = notify_multiplier;
    auto window = structure(5, 0, 0, 4);
    window.body[2] = 0;
    window.hook_offset = 2;
    window.hook_length = 16;
    description.capability(structure(1, common_offset, common_length))
        .capability(std::move(notify))
        .capability(structure(3, isr_offset, 1))
        .capability(structure(4, device_offset, config_length == 0 ? 4 : config_length))
        .capability(std::move(window));
}

} // namespace plugbay::virtio::pci_layout
