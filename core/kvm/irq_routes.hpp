// The VM's whole table of interrupt routes: which pins of the in-kernel interrupt controllers, or which MSI
// message, a GSI stands for. Pure; KvmVm gives it to KVM in one piece (KVM_SET_GSI_ROUTING).
#pragma once

#include "core/base/result.hpp"

#include <bitset>
#include <cstdint>
#include <optional>
#include <vector>

namespace plugbay::core {

// GSIs below this are wired to the IOAPIC (and 0..15 to the two PICs); MSI routes start here.
inline constexpr std::uint32_t first_msi_gsi = 24;

// What a PCI device writes to raise a message-signalled interrupt.
struct MsiMessage {
    std::uint64_t address = 0;
    std::uint32_t data = 0;

    friend bool operator==(const MsiMessage&, const MsiMessage&) = default;
};

struct IrqRoute {
    enum class Target : std::uint8_t { pic_master, pic_slave, ioapic, msi };

    std::uint32_t gsi = 0;
    Target target = Target::ioapic;
    std::uint32_t pin = 0;   // of the controller; not for msi
    MsiMessage message = {}; // msi only
};

// Not thread-safe: its owner locks.
class IrqRoutes {
  public:
    // How many GSIs from first_msi_gsi on can be handed out. KVM's own limit is 4096 routes.
    static constexpr std::uint32_t max_msi_routes = 1024;

    // A GSI of its own for an MSI vector. It has no route, so raising it does nothing, until set_message().
    [[nodiscard]] Result<std::uint32_t> allocate();
    // Gives the GSI back and drops its route. Deassign its irqfd first. A GSI that had a route is handed out
    // again only after committed(): until then KVM may still have the route, and would send the message of the
    // one before when the next owner raises it.
    void release(std::uint32_t gsi);
    // KVM has taken entries().
    void committed() { released_.reset(); }

    [[nodiscard]] bool allocated(std::uint32_t gsi) const { return find(gsi) != nullptr; }

    // True when the table changed. A GSI that was not allocated is refused (false).
    bool set_message(std::uint32_t gsi, const MsiMessage& message);
    // Masked: the GSI stays allocated without a route. True when the table changed.
    bool clear_message(std::uint32_t gsi);
    [[nodiscard]] std::optional<MsiMessage> message(std::uint32_t gsi) const;

    // The whole table: the fixed routes, then MSI by GSI. GSI 0 (the PIT) goes to IOAPIC pin 2 and nothing
    // goes to pin 0, as the ACPI and MP tables of a PC say (interrupt source override IRQ 0 -> GSI 2); every
    // other GSI below 24 goes to the IOAPIC pin of its number. GSI 2 is the PICs' cascade and has no route.
    [[nodiscard]] std::vector<IrqRoute> entries() const;

  private:
    struct Slot {
        bool routed = false;
        MsiMessage message = {};
    };

    [[nodiscard]] const Slot* find(std::uint32_t gsi) const;
    [[nodiscard]] Slot* find(std::uint32_t gsi);

    std::bitset<max_msi_routes> allocated_;
    std::bitset<max_msi_routes> released_; // and perhaps still routed in KVM
    std::vector<Slot> slots_;              // by GSI - first_msi_gsi; grows with use
};

} // namespace plugbay::core
