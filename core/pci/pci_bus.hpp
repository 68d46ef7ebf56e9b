// The PCI buses of a machine and the functions on them.
#pragma once

#include "core/base/result.hpp"
#include "core/device/device.hpp"
#include "core/device/resource_table.hpp"

#include <plugbay/abi/pci_bus.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace plugbay::core {

class PciBuses;
class PciFunction;

// A bus as its bridge made it. Slots change only on the control thread.
class PciBus : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::pci_bus;
    static constexpr std::uint32_t slot_count = 32;

    [[nodiscard]] bool guest_visible() const override { return true; }
    void serve(const Served& served) override { device_ = served.device; }
    // Whether it is the bus that was described so.
    [[nodiscard]] bool is(const plugbay_pci_bus& description) const;

    // `device` is the bridge.
    PciBus(PciBuses& buses, Device& device, const plugbay_pci_bus& description);
    ~PciBus() override;
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override { return "PCI bus " + id(); }

    [[nodiscard]] Device& device() const { return *device_; }
    [[nodiscard]] const std::string& id() const { return device_->id(); }
    [[nodiscard]] const plugbay_pci_bus& description() const { return description_; }
    // Null: empty. Any thread.
    [[nodiscard]] PciFunction* function(std::uint32_t slot) const {
        return slot < slot_count ? slots_[slot].load(std::memory_order_acquire) : nullptr;
    }
    // Puts the function where it wants to be, or into the next free slot.
    [[nodiscard]] Result<void> plug(PciFunction& function);
    // Empties the slot. Afterwards no access of the guest is on its way to the function. Without callback locks.
    void unplug(std::uint32_t slot);

    // Thread: any, without a function's lock. BARs that were in somebody's way may have room now.
    void retry_refused() const;

    // Hot plug: tells the bridge, if it takes part; false when it does not.
    [[nodiscard]] bool tell_changed(std::uint32_t slot);
    [[nodiscard]] bool request_detach(std::uint32_t slot);
    // Thread: any. The guest let go of the slots whose bits are set.
    void eject(std::uint32_t slots) { ejected_.fetch_or(slots); }
    [[nodiscard]] std::uint32_t take_ejected() { return ejected_.exchange(0); }

  private:
    using Event = void (*)(void* instance, std::uint32_t slot);
    [[nodiscard]] bool tell(Event plugbay_pci_bus_callbacks::*event, std::uint32_t slot);

    PciBuses& buses_;
    Device* device_; // changes only with its build, on the control thread
    const plugbay_pci_bus description_;
    std::array<std::atomic<PciFunction*>, slot_count> slots_{};
    std::atomic<std::uint32_t> ejected_{0};
};

// [control] Functions may be created before their bus: they wait here until connect().
class PciBuses {
  public:
    void add(PciBus& bus) { buses_.push_back(&bus); }
    void remove(PciBus& bus);
    void add(PciFunction& function) { waiting_.push_back(&function); }
    void remove(PciFunction& function);

    // Puts every waiting function on its bus, those with a slot of their choice first. The error names the
    // device.
    [[nodiscard]] Result<void> connect();
    // Takes the device's functions off their buses; they go when the device does. Without callback locks.
    void unplug(const Device& device);
    // The device whose bus `device`'s function is on, or null.
    [[nodiscard]] Device* bridge_of(const Device& device) const;
    // The functions of `device` have another build behind them: returns when nobody is on the way to the one before. Without
    // callback locks, while its gate and its bridge's are closed.
    void wait_for_users(const Device& device) const;
    // Something was taken away that BARs of the guest's choice may have overlapped.
    void retry_refused() const;
    // As after power-on: all functions, or those of one device.
    void reset();
    void reset(const Device& device);

    [[nodiscard]] const std::vector<PciBus*>& buses() const { return buses_; }
    // Calls visit(PciBus&, std::uint32_t slot, PciFunction&) on every function that is on a bus.
    template <typename Visit>
    void each_function(Visit&& visit) const {
        for (PciBus* bus : buses_) {
            for (std::uint32_t slot = 0; slot < PciBus::slot_count; ++slot) {
                if (PciFunction* function = bus->function(slot)) visit(*bus, slot, *function);
            }
        }
    }

  private:
    std::vector<PciBus*> buses_;
    std::vector<PciFunction*> waiting_;
};

} // namespace plugbay::core
