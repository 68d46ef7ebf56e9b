#include "core/pci/pci_bus.hpp"

#include "core/pci/pci_function.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace plugbay::core {

PciBus::PciBus(PciBuses& buses, std::string id, const plugbay_pci_bus& description)
    : buses_(buses), id_(std::move(id)), description_(description) {}

PciBus::~PciBus() {
    buses_.remove(*this);
    // Functions that were created before their bus outlive it.
    for (auto& slot : slots_) {
        if (PciFunction* function = slot.exchange(nullptr)) function->bus_gone();
    }
}

Result<void> PciBus::plug(PciFunction& function) {
    std::uint32_t slot = 0;
    if (function.wanted_slot() >= 0) {
        slot = static_cast<std::uint32_t>(function.wanted_slot());
        if (PciFunction* other = slots_[slot].load()) {
            return Error{fmt::format("device \"{}\" wants slot {} of bus \"{}\", where device \"{}\" is",
                                     function.device().id(), slot, id_, other->device().id()),
                         "choose another slot, or none"};
        }
    } else {
        // Slot 0 is where guests look for the bridge itself.
        slot = 1;
        while (slot < slot_count && slots_[slot].load() != nullptr)
            ++slot;
        if (slot == slot_count) {
            return Error{
                fmt::format("bus \"{}\" has no free slot for device \"{}\"", id_, function.device().id())};
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

void PciBuses::reset() {
    for (PciBus* bus : buses_) {
        for (std::uint32_t slot = 0; slot < PciBus::slot_count; ++slot) {
            if (PciFunction* function = bus->function(slot)) function->reset();
        }
    }
}

} // namespace plugbay::core
