#include "core/machine/device_hold.hpp"

#include "core/bus/access_bus.hpp"
#include "core/io/io_loop.hpp"
#include "core/pci/pci_bus.hpp"

#include <algorithm>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <utility>

namespace plugbay::core {

namespace {

// The gate of `device`, closed within the limit for a change of `changed`, or who is inside.
Result<std::unique_ptr<GateClosed>> close_gate(Device& device, const Device& changed,
                                               std::chrono::milliseconds limit) {
    auto gate = std::make_unique<GateClosed>(device.slot(), device.services().bus.presences(),
                                             std::chrono::steady_clock::now() + limit);
    const auto inside = gate->inside();
    if (!inside) return gate;
    return Error{
        fmt::format("device \"{}\" cannot hold still: a guest's access (vcpu{}) has been inside {} for {}",
                    changed.id(), *inside,
                    &device == &changed ? "it" : fmt::format("its bridge \"{}\"", device.id()), limit),
        "its code hangs: look at it with a debugger"};
}

} // namespace

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
    Held held{.device = &device, .since = IoLoop::now()};
    if (Device* bridge = device.services().pci.bridge_of(device)) {
        auto closed = close_gate(*bridge, device, limit);
        if (!closed) return std::move(closed).error();
        held.bridge_gate = std::move(*closed);
    }
    auto closed = close_gate(device, device, limit);
    if (!closed) return std::move(closed).error();
    held.gate = std::move(*closed);
    held_.push_back(std::move(held));
    auto still = device.quiesce(limit);
    if (device.stuck()) held_.pop_back();
    return still;
}

bool DeviceHold::holds(const Device& device) const {
    return std::ranges::find(held_, &device, &Held::device) != held_.end();
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
