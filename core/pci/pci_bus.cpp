#include "core/pci/pci_bus.hpp"

#include "core/bus/access_bus.hpp"
#include "core/bus/gate.hpp"
#include "core/pci/pci_function.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace plugbay::core {

PciBus::PciBus(PciBuses& buses, Device& device, const plugbay_pci_bus& description)
    : buses_(buses), device_(&device), description_(description) {}

PciBus::~PciBus() {
    buses_.remove(*this);
    // Functions that were created before their bus outlive it.
    for (auto& slot : slots_) {
        if (PciFunction* function = slot.exchange(nullptr)) function->bus_gone();
    }
}

bool PciBus::is(const plugbay_pci_bus& description) const {
    plugbay_pci_bus other = description;
    other.size = description_.size; // of the caller's header, not of the bus
    return std::memcmp(&other, &description_, sizeof other) == 0;
}

Result<void> PciBus::plug(PciFunction& function) {
    std::uint32_t slot = 0;
    if (function.wanted_slot() >= 0) {
        slot = static_cast<std::uint32_t>(function.wanted_slot());
        if (PciFunction* other = slots_[slot].load()) {
            return Error{fmt::format("device \"{}\" wants slot {} of bus \"{}\", where device \"{}\" is",
                                     function.device().id(), slot, id(), other->device().id()),
                         "choose another slot, or none"};
        }
    } else {
        // Slot 0 is where guests look for the bridge itself.
        slot = 1;
        while (slot < slot_count && slots_[slot].load() != nullptr)
            ++slot;
        if (slot == slot_count) {
            return Error{
                fmt::format("bus \"{}\" has no free slot for device \"{}\"", id(), function.device().id())};
        }
    }
    const std::array<std::uint32_t, 4> lines{description_.lines[0], description_.lines[1],
                                             description_.lines[2], description_.lines[3]};
    if (auto plugged = function.plug(*this, slot, lines); !plugged) {
        return with_context("device \"" + function.device().id() + "\"", std::move(plugged).error());
    }
    slots_[slot].store(&function, std::memory_order_release);
    return {};
}

void PciBus::unplug(std::uint32_t slot) {
    slots_[slot].store(nullptr, std::memory_order_release);
    ejected_.fetch_and(~(std::uint32_t{1} << slot)); // that was about this function
    // Who found the function before is inside the bridge: on a vCPU in its slot, on an I/O loop under its lock.
    const GateClosed closed(device_->slot(), device_->services().bus.presences());
    const std::lock_guard guard(device_->lock());
}

void PciBus::retry_refused() const {
    for (const auto& slot : slots_) {
        if (PciFunction* function = slot.load(std::memory_order_acquire)) function->retry_refused();
    }
}

bool PciBus::tell(Event plugbay_pci_bus_callbacks::*event, std::uint32_t slot) {
    const auto* callbacks = device_->callbacks<plugbay_pci_bus_callbacks>(PLUGBAY_PCI_BUS);
    if (description_.hotplug_port == 0 || callbacks == nullptr) return false;
    const std::lock_guard guard(device_->lock());
    device_->deliver("a slot's event", [&] { (callbacks->*event)(device_->instance(), slot); });
    return true;
}

bool PciBus::tell_changed(std::uint32_t slot) {
    return tell(&plugbay_pci_bus_callbacks::changed, slot);
}

bool PciBus::request_detach(std::uint32_t slot) {
    return tell(&plugbay_pci_bus_callbacks::detach_requested, slot);
}

void PciBuses::remove(PciBus& bus) {
    std::erase(buses_, &bus);
}

void PciBuses::remove(PciFunction& function) {
    std::erase(waiting_, &function);
}

Result<void> PciBuses::connect() {
    std::stable_partition(waiting_.begin(), waiting_.end(),
                          [](const PciFunction* function) { return function->wanted_slot() >= 0; });
    for (PciFunction* function : waiting_) {
        const auto bus = std::find_if(buses_.begin(), buses_.end(), [&](const PciBus* each) {
            return function->wanted_bus().empty() || each->id() == function->wanted_bus();
        });
        if (bus == buses_.end()) {
            const std::string& wanted = function->wanted_bus();
            return Error{fmt::format("device \"{}\" needs {}, which this machine does not have",
                                     function->device().id(),
                                     wanted.empty() ? "a PCI bus" : "the PCI bus \"" + wanted + "\""),
                         "add a device of type pci-host"};
        }
        if (auto plugged = (*bus)->plug(*function); !plugged) return plugged;
    }
    waiting_.clear();
    return {};
}

void PciBuses::unplug(const Device& device) {
    each_function([&](PciBus&, std::uint32_t, PciFunction& function) {
        if (&function.device() == &device) function.unplug();
    });
}

Device* PciBuses::bridge_of(const Device& device) const {
    Device* bridge = nullptr;
    each_function([&](const PciBus& bus, std::uint32_t, PciFunction& function) {
        if (&function.device() == &device) bridge = &bus.device();
    });
    return bridge;
}

void PciBuses::wait_for_users(const Device& device) const {
    // No vCPU is; who comes from elsewhere, such as the bridge's timer, is under the bridge's lock.
    if (Device* const bridge = bridge_of(device)) {
        const std::lock_guard guard(bridge->lock());
    }
}

void PciBuses::retry_refused() const {
    for (const PciBus* bus : buses_)
        bus->retry_refused();
}

void PciBuses::reset() {
    each_function([](PciBus&, std::uint32_t, PciFunction& function) { function.reset(); });
}

void PciBuses::reset(const Device& device) {
    each_function([&](PciBus&, std::uint32_t, PciFunction& function) {
        if (&function.device() == &device) function.reset();
    });
    retry_refused();
}

} // namespace plugbay::core
