// A PCI function of a device: described once with a builder, owned by RAII.
//
//     auto description = plugbay::pci::Description(0x1234, 0x0001).class_code(0xff0000).interrupt_pin(1);
//     description.bar(0, PLUGBAY_BAR_MEMORY32, 4096).msix(2, 1);
//     plugbay::pci::Function function(host, description);
//
// The host owns configuration space, decodes BARs and runs MSI-X; see abi/pci.h.
#pragma once

#include <plugbay/abi/pci.h>
#include <plugbay/host.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugbay::pci {

// Where the function sits. Devices offer both as properties "bus" and "slot".
struct Location {
    std::string bus;        // id of the bus's device; empty: the machine's first
    std::int32_t slot = -1; // 0 to 31; -1: the next free one
};

inline constexpr std::int32_t any_slot = -1;

// A capability after its two-byte header. Guest accesses to `hook_length` bytes from `hook_offset` of the
// body reach the device's config_read and config_write.
struct Capability {
    std::uint8_t id = 0;
    std::vector<std::uint8_t> body;
    std::uint16_t hook_offset = 0;
    std::uint16_t hook_length = 0;
    std::vector<std::uint8_t> writable; // mask of the bits the guest may change; empty: none
};

class Description {
  public:
    Description(std::uint16_t vendor_id, std::uint16_t device_id) {
        raw_.size = sizeof raw_;
        raw_.slot = any_slot;
        raw_.vendor_id = vendor_id;
        raw_.device_id = device_id;
    }

    Description& at(Location location) {
        bus_ = std::move(location.bus);
        raw_.slot = location.slot;
        return *this;
    }
    // 24 bits: class, subclass, programming interface.
    Description& class_code(std::uint32_t code) {
        raw_.class_code = code;
        return *this;
    }
    Description& revision(std::uint8_t revision) {
        raw_.revision = revision;
        return *this;
    }
    Description& subsystem(std::uint16_t vendor_id, std::uint16_t id) {
        raw_.subsystem_vendor_id = vendor_id;
        raw_.subsystem_id = id;
        return *this;
    }
    // 1: INTA.
    Description& interrupt_pin(std::uint8_t pin) {
        raw_.interrupt_pin = pin;
        return *this;
    }
    // `kind`: PLUGBAY_BAR_PORTS, _MEMORY32 or _MEMORY64 (which takes the next number too).
    Description& bar(unsigned number, std::uint32_t kind, std::uint64_t length, std::uint64_t token = 0) {
        at_bar(number) = {kind, 0, length, token};
        return *this;
    }
    // `number`: the BAR that the host uses for the table.
    Description& msix(std::uint16_t vectors, unsigned number) {
        raw_.msix_vectors = vectors;
        at_bar(number) = {PLUGBAY_BAR_MSIX, 0, 0, 0};
        return *this;
    }
    // Capabilities are numbered in the order of these calls, from 0.
    Description& capability(Capability capability) {
        capabilities_.push_back(std::move(capability));
        return *this;
    }

    // Calls `use` with the ABI's struct, valid during the call.
    template <typename Use>
    auto with_raw(Use use) const {
        std::vector<plugbay_pci_capability> list;
        list.reserve(capabilities_.size());
        for (const Capability& each : capabilities_) {
            if (each.body.size() > 253)
                throw Failure("a PCI capability's body is at most 253 bytes long", PLUGBAY_INVALID);
            if (!each.writable.empty() && each.writable.size() != each.body.size())
                throw Failure("a PCI capability's mask must be as long as its body", PLUGBAY_INVALID);
            list.push_back({each.id, static_cast<std::uint8_t>(each.body.size()), each.hook_offset,
                            each.hook_length, 0, each.body.data(),
                            each.writable.empty() ? nullptr : each.writable.data()});
        }
        plugbay_pci_function raw = raw_;
        raw.bus = bus_.empty() ? nullptr : bus_.c_str();
        raw.capability_count = static_cast<std::uint32_t>(list.size());
        raw.capabilities = list.data();
        return use(raw);
    }

  private:
    plugbay_pci_bar& at_bar(unsigned number) {
        if (number >= std::size(raw_.bars)) throw Failure("a PCI function has BARs 0 to 5", PLUGBAY_INVALID);
        return raw_.bars[number];
    }

    plugbay_pci_function raw_{};
    std::string bus_;
    std::vector<Capability> capabilities_;
};

// The function on its bus; taken off when this is destroyed.
class Function : public plugbay::detail::Resource<plugbay_pci_host, &plugbay_pci_host::remove_function> {
  public:
    Function() = default;
    Function(Host host, const Description& description)
        : Resource(host.raw(), &host.extension<plugbay_pci_host>(PLUGBAY_PCI), add(host, description)) {}

    // For doorbells inside the BAR.
    [[nodiscard]] plugbay_handle bar_region(unsigned bar) const {
        plugbay_handle region{};
        check(table_->bar_region(host_, handle_, bar, &region));
        return region;
    }
    // False while the guest has MSI-X off: use the pin then.
    [[nodiscard]] bool notify(std::uint32_t vector) const {
        return table_->notify(host_, handle_, vector) != PLUGBAY_UNSUPPORTED;
    }
    void set_pin(bool level) const { table_->set_pin(host_, handle_, level ? 1 : 0); }

  private:
    static plugbay_handle add(Host host, const Description& description) {
        plugbay_handle handle{};
        const auto& table = host.extension<plugbay_pci_host>(PLUGBAY_PCI);
        check(description.with_raw(
            [&](const plugbay_pci_function& raw) { return table.add_function(host.raw(), &raw, &handle); }));
        return handle;
    }
};

// For functions whose drivers choose the vector of an event: none.
inline constexpr std::uint16_t no_vector = 0xffff;

// Interrupts of a function with an interrupt status register of 8 bits that reading clears: an event goes out
// as its MSI-X vector or, where the guest has MSI-X off, as a bit of the register and the level of the pin.
// An event without a vector takes the second way too: while MSI-X is on the host keeps the pin from the
// guest.
class InterruptStatus {
  public:
    void raise(const Function& function, std::uint16_t vector, std::uint8_t cause) {
        if (vector != no_vector && function.notify(vector)) return;
        status_ = static_cast<std::uint8_t>(status_ | cause);
        drive(function, true);
    }
    // The same for causes that show in the register whatever the kind of interrupt.
    void raise_and_show(const Function& function, std::uint16_t vector, std::uint8_t cause) {
        status_ = static_cast<std::uint8_t>(status_ | cause);
        raise(function, vector, cause);
    }
    // The guest reads the register: it is cleared and the pin goes low.
    std::uint8_t acknowledge(const Function& function) {
        drive(function, false);
        return std::exchange(status_, std::uint8_t{0});
    }
    void reset(const Function& function) { acknowledge(function); }

    void state(auto& fields) {
        fields("status", status_);
        fields("pin", pin_);
    }
    void loaded(const Function& function) const { function.set_pin(pin_); }

  private:
    void drive(const Function& function, bool level) {
        if (pin_ == level) return;
        pin_ = level;
        function.set_pin(level);
    }

    std::uint8_t status_ = 0;
    bool pin_ = false;
};

} // namespace plugbay::pci
