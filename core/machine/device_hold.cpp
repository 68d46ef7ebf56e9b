#include "core/machine/device_hold.hpp"

#include "core/bus/access_bus.hpp"

namespace plugbay::core {

DeviceHold::~DeviceHold() {
    while (!held_.empty()) {
        held_.back().device->resume();
        held_.pop_back(); // opens the gate
    }
}

Result<void> DeviceHold::add(Device& device) {
    if (device.phase() != Phase::running) return {};
    held_.push_back({.device = &device,
                     .gate = std::make_unique<GateClosed>(device.slot(), device.services().bus.presences())});
    return device.quiesce();
}

void DeviceHold::let_go(Device& device) {
    device.vacate_slot();
    std::erase_if(held_, [&](const Held& each) { return each.device == &device; });
}

} // namespace plugbay::core
