#include "core/kvm/irq_routes.hpp"

namespace plugbay::core {

const IrqRoutes::Slot* IrqRoutes::find(std::uint32_t gsi) const {
    const std::size_t index = std::size_t{gsi} - first_msi_gsi;
    if (gsi < first_msi_gsi || index >= slots_.size() || !allocated_[index]) return nullptr;
    return &slots_[index];
}

IrqRoutes::Slot* IrqRoutes::find(std::uint32_t gsi) {
    return const_cast<Slot*>(static_cast<const IrqRoutes&>(*this).find(gsi));
}

Result<std::uint32_t> IrqRoutes::allocate() {
    std::size_t index = 0;
    while (index < max_msi_routes && (allocated_[index] || released_[index]))
        ++index;
    if (index == max_msi_routes) {
        return Error{"all " + std::to_string(max_msi_routes) + " interrupt routes for MSI vectors are in use",
                     "give the devices of this machine fewer queues or vectors"};
    }
    allocated_.set(index);
    if (index >= slots_.size()) slots_.resize(index + 1);
    slots_[index] = {};
    return static_cast<std::uint32_t>(first_msi_gsi + index);
}

void IrqRoutes::release(std::uint32_t gsi) {
    const Slot* const slot = find(gsi);
    if (slot == nullptr) return;
    if (slot->routed) released_.set(gsi - first_msi_gsi);
    slots_[gsi - first_msi_gsi] = {};
    allocated_.reset(gsi - first_msi_gsi);
}

bool IrqRoutes::set_message(std::uint32_t gsi, const MsiMessage& message) {
    Slot* const slot = find(gsi);
    if (slot == nullptr || (slot->routed && slot->message == message)) return false;
    *slot = {true, message};
    return true;
}

bool IrqRoutes::clear_message(std::uint32_t gsi) {
    Slot* const slot = find(gsi);
    if (slot == nullptr || !slot->routed) return false;
    *slot = {};
    return true;
}

std::optional<MsiMessage> IrqRoutes::message(std::uint32_t gsi) const {
    const Slot* const slot = find(gsi);
    if (slot == nullptr || !slot->routed) return std::nullopt;
    return slot->message;
}

std::vector<IrqRoute> IrqRoutes::entries() const {
    constexpr std::uint32_t pic_pins = 8;
    constexpr std::uint32_t cascade = 2;
    constexpr std::uint32_t timer_ioapic_pin = 2;
    std::vector<IrqRoute> routes;
    for (std::uint32_t gsi = 0; gsi < first_msi_gsi; ++gsi) {
        if (gsi == cascade) continue;
        if (gsi < pic_pins) {
            routes.push_back({gsi, IrqRoute::Target::pic_master, gsi, {}});
        } else if (gsi < 2 * pic_pins) {
            routes.push_back({gsi, IrqRoute::Target::pic_slave, gsi - pic_pins, {}});
        }
        routes.push_back({gsi, IrqRoute::Target::ioapic, gsi == 0 ? timer_ioapic_pin : gsi, {}});
    }
    for (std::size_t index = 0; index < slots_.size(); ++index) {
        if (!slots_[index].routed) continue;
        routes.push_back({static_cast<std::uint32_t>(first_msi_gsi + index), IrqRoute::Target::msi, 0,
                          slots_[index].message});
    }
    return routes;
}

} // namespace plugbay::core
