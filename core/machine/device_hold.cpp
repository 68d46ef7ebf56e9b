#include "core/machine/device_hold.hpp"

#include "core/bus/access_bus.hpp"
#include "core/io/io_loop.hpp"
#include "core/pci/pci_bus.hpp"

#include <utility>

namespace plugbay::core {

DeviceHold::~DeviceHold() {
    while (!held_.empty()) {
        const auto [device, since] = std::pair(held_.back().device, held_.back().since);
        device->resume();
        held_.pop_back(); // opens the gate
        device->pauses().add(IoLoop::now() - since);
    }
}

Result<void> DeviceHold::add(Device& device) {
    return add(device, device.services().quiesce_limit);
}

Result<void> DeviceHold::add(Device& device, std::chrono::milliseconds limit) {
    if (device.phase() != Phase::running) return {};
    PresenceList& presences = device.services().bus.presences();
    Held held{.device = &device, .since = IoLoop::now()};
    if (Device* bridge = device.services().pci.bridge_of(device))
        held.bridge_gate = std::make_unique<GateClosed>(bridge->slot(), presences);
    held.gate = std::make_unique<GateClosed>(device.slot(), presences);
    held_.push_back(std::move(held));
    return device.quiesce(limit);
}

void DeviceHold::replace(const Device& before, Device& successor) {
    for (Held& each : held_) {
        if (each.device == &before) each.device = &successor;
    }
}

void DeviceHold::let_go(Device& device) {
    device.vacate_slot();
    std::erase_if(held_, [&](const Held& each) { return each.device == &device; });
}

} // namespace plugbay::core
