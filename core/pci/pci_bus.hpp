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

    PciBus(PciBuses& buses, std::string id, const plugbay_pci_bus& description);
    ~PciBus() override;
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override { return "PCI bus " + id_; }

    [[nodiscard]] const std::string& id() const { return id_; }
    [[nodiscard]] const plugbay_pci_bus& description() const { return description_; }
    // Null: empty. Any thread.
    [[nodiscard]] PciFunction* function(std::uint32_t slot) const {
        return slot < slot_count ? slots_[slot].load(std::memory_order_acquire) : nullptr;
    }
    // Puts the function where it wants to be, or into the next free slot.
    [[nodiscard]] Result<void> plug(PciFunction& function);
    void unplug(std::uint32_t slot) { slots_[slot].store(nullptr, std::memory_order_release); }

  private:
    PciBuses& buses_;
    const std::string id_;
    const plugbay_pci_bus description_;
    std::array<std::atomic<PciFunction*>, slot_count> slots_{};
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
    // As after power-on.
    void reset();

    [[nodiscard]] const std::vector<PciBus*>& buses() const { return buses_; }

  private:
    std::vector<PciBus*> buses_;
    std::vector<PciFunction*> waiting_;
};

} // namespace plugbay::core
