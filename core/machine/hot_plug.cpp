#include "core/machine/hot_plug.hpp"

#include "core/base/log.hpp"
#include "core/device/firmware_records.hpp"
#include "core/pci/pci_bus.hpp"
#include "core/pci/pci_function.hpp"

#include <plugbay/abi/firmware.h>

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

namespace plugbay::core {

bool HotPlug::can_raise() const {
    const Device* provider = devices_.find(services_.firmware.fixed_hardware_owner());
    return provider != nullptr &&
           provider->callbacks<plugbay_firmware_callbacks>(PLUGBAY_FIRMWARE) != nullptr;
}

void HotPlug::raise(std::uint32_t event) {
    if (!can_raise()) return;
    Device& provider = *devices_.find(services_.firmware.fixed_hardware_owner());
    const std::lock_guard guard(provider.lock());
    provider.protect("a firmware event", [&] {
        provider.callbacks<plugbay_firmware_callbacks>(PLUGBAY_FIRMWARE)
            ->raise_event(provider.instance(), event);
    });
}

HotPlug::Places HotPlug::occupied() const {
    Places places;
    services_.pci.each_function([&](const PciBus& bus, std::uint32_t slot, const PciFunction&) {
        places.insert({.bus = bus.id(), .slot = slot});
    });
    return places;
}

void HotPlug::announce_changes(const Places& before) {
    forget_gone();
    const Places now = occupied();
    Places changed;
    std::ranges::set_symmetric_difference(before, now, std::inserter(changed, changed.end()));
    for (const Place& place : changed) {
        for (PciBus* bus : services_.pci.buses()) {
            if (bus->id() == place.bus && bus->tell_changed(place.slot))
                raise(bus->description().hotplug_event);
        }
    }
}

Result<void> HotPlug::request(std::string_view id, bool with_dependents) {
    if (auto removable = devices_.removable(id, with_dependents); !removable)
        return std::move(removable).error();
    if (!can_raise()) {
        return Error{
            fmt::format(
                "the guest cannot be asked to let go of device \"{}\": the machine has no ACPI events", id),
            "add a device of type acpi-pm, or remove the device without asking"};
    }
    bool asked = false;
    services_.pci.each_function([&](PciBus& bus, std::uint32_t slot, PciFunction& function) {
        if (function.device().id() == id && bus.request_detach(slot)) {
            raise(bus.description().hotplug_event);
            asked = true;
        }
    });
    if (!asked) {
        return Error{
            fmt::format("device \"{}\" is on no bus with hot plug, so the guest cannot be asked about it",
                        id),
            "remove it without asking"};
    }
    requested_.emplace(id);
    return {};
}

Result<void> HotPlug::remove(const std::string& id) {
    requested_.erase(id);
    if (devices_.find(id) == nullptr) return {};
    log_for(Subsystem::hot_plug).info("the guest has let go of device \"{}\"", id);
    auto removed = devices_.remove(id, true);
    forget_gone(); // its dependents
    return removed;
}

// A request is about a device, not about its id, which the next device may have.
void HotPlug::forget_gone() {
    std::erase_if(requested_, [&](const std::string& id) { return devices_.find(id) == nullptr; });
}

Result<void> HotPlug::process() {
    std::vector<std::string> ejected;
    for (PciBus* bus : services_.pci.buses()) {
        const std::uint32_t slots = bus->take_ejected();
        for (std::uint32_t slot = 0; slot < PciBus::slot_count; ++slot) {
            PciFunction* function = (slots >> slot & 1) != 0 ? bus->function(slot) : nullptr;
            // Nothing may take the bridge itself away but its removal.
            if (function != nullptr && &function->device() != &bus->device())
                ejected.push_back(function->device().id());
        }
    }
    Result<void> result;
    for (const std::string& id : ejected) {
        if (auto removed = remove(id); !removed) result = std::move(removed);
    }
    return result;
}

Result<void> HotPlug::finish_requests() {
    Result<void> result;
    for (const std::string& id : std::exchange(requested_, {})) {
        if (auto removed = remove(id); !removed) result = std::move(removed);
    }
    return result;
}

} // namespace plugbay::core
