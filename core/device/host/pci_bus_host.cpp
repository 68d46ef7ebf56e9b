#include "core/device/device.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/pci/pci_bus.hpp"
#include "core/pci/pci_function.hpp"
#include "core/pci/pci_windows.hpp"

#include <plugbay/abi/pci_bus.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace plugbay::core {

namespace {

plugbay_status add_bus(const plugbay_host* host, const plugbay_pci_bus* description, plugbay_handle* handle) {
    Device& device = Device::of(host);
    if (device.phase() != Phase::creating) {
        return device.refuse(PLUGBAY_FORBIDDEN, "a PCI bus can be added only while the device is created");
    }
    if (description->size < offsetof(plugbay_pci_bus, hotplug_port))
        return device.refuse(PLUGBAY_INVALID, "the bus's description is too short");
    plugbay_pci_bus known{};
    std::memcpy(&known, description, std::min<std::size_t>(description->size, sizeof known));
    if (const auto done = check_pci_windows(known, device.services().memory); !done)
        return device.refuse(PLUGBAY_INVALID, done.error().text());
    if (device.detached()) {
        return adopt<PciBus>(device, "a PCI bus with these windows, lines and ports", handle, {},
                             [&](const PciBus& each) { return each.is(known); });
    }
    auto bus = std::make_unique<PciBus>(device.services().pci, device, known);
    PciBus& added = *bus;
    const plugbay_status status = hold(device, std::move(bus), handle);
    if (status == PLUGBAY_OK) device.services().pci.add(added);
    return status;
}

PciFunction* function_at(const plugbay_host* host, plugbay_handle handle, std::uint32_t slot) {
    const PciBus* bus = Device::of(host).resources().find<PciBus>(handle);
    return bus == nullptr ? nullptr : bus->function(slot);
}

bool within_doubleword(std::uint32_t offset, std::uint32_t width) {
    return (width == 1 || width == 2 || width == 4) && offset < ConfigSpace::size && offset % 4 + width <= 4;
}

std::uint32_t config_read(const plugbay_host* host, plugbay_handle bus, std::uint32_t slot,
                          std::uint32_t offset, std::uint32_t width) {
    PciFunction* function = function_at(host, bus, slot);
    if (function == nullptr || !within_doubleword(offset, width)) return ~std::uint32_t{0};
    return function->config_read(offset, width);
}

void config_write(const plugbay_host* host, plugbay_handle bus, std::uint32_t slot, std::uint32_t offset,
                  std::uint32_t width, std::uint32_t value) {
    PciFunction* function = function_at(host, bus, slot);
    if (function != nullptr && within_doubleword(offset, width)) function->config_write(offset, width, value);
}

std::uint32_t bars(const plugbay_host* host, plugbay_handle handle, plugbay_pci_bar_slot* bars,
                   std::uint32_t capacity) {
    const PciBus* bus = Device::of(host).resources().find<PciBus>(handle);
    if (bus == nullptr) return 0;
    std::vector<plugbay_pci_bar_slot> all;
    for (std::uint32_t slot = 0; slot < PciBus::slot_count; ++slot) {
        if (PciFunction* function = bus->function(slot)) function->append_bars(all);
    }
    std::copy_n(all.begin(), std::min<std::size_t>(capacity, all.size()), bars);
    return static_cast<std::uint32_t>(all.size());
}

plugbay_status assign(const plugbay_host* host, plugbay_handle bus, std::uint32_t slot, std::uint32_t bar,
                      std::uint64_t address) {
    PciFunction* function = function_at(host, bus, slot);
    if (function == nullptr) return Device::of(host).refuse(PLUGBAY_NOT_FOUND, "no function in that slot");
    auto assigned = function->assign(bar, address);
    return assigned ? PLUGBAY_OK : Device::of(host).refuse(PLUGBAY_INVALID, assigned.error().text());
}

plugbay_status ejected(const plugbay_host* host, plugbay_handle handle, std::uint32_t slots) {
    Device& device = Device::of(host);
    PciBus* bus = device.resources().find<PciBus>(handle);
    if (bus == nullptr) return device.refuse(PLUGBAY_STALE, "no such PCI bus");
    bus->eject(slots);
    device.services().attention();
    return PLUGBAY_OK;
}

} // namespace

const void* pci_bus_host_table() {
    static constexpr plugbay_pci_bus_host table{sizeof table,  0,     &add_bus, &config_read,
                                                &config_write, &bars, &assign,  &ejected};
    return &table;
}

} // namespace plugbay::core
