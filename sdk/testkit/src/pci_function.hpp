// A PCI function as the guest sees it: configuration space, BARs, MSI-X. Knows nothing of the Machine.
#pragma once

#include "records.hpp"

#include <plugbay/abi/pci.h>
#include <plugbay/abi/pci_bus.h>
#include <plugbay/testkit/bench.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace plugbay::testkit::detail {

struct PciBus {
    DeviceRecord* owner = nullptr; // nullptr: built in
    std::string name;
    plugbay_pci_bus facts{};
    std::map<unsigned, plugbay_handle> slots;
    std::uint32_t ejected = 0; // bits of slots that the guest has let go of
    Heir heir = {};
};

struct MsixEntry {
    std::uint64_t address = 0;
    std::uint32_t data = 0;
    std::uint32_t control = 1; // bit 0: masked
    bool pending = false;
    friend bool operator==(const MsixEntry&, const MsixEntry&) = default;
};

// What the guest can change, and what power-on restores.
struct PciRegisters {
    std::array<std::uint8_t, 256> space{};
    std::vector<MsixEntry> vectors;
    bool pin = false;
};

struct PciHook {
    std::uint32_t capability;
    unsigned first; // in configuration space
    unsigned length;
    friend bool operator==(const PciHook&, const PciHook&) = default;
};

class PciFunction {
  public:
    struct Bar {
        std::uint32_t kind = 0; // as declared
        std::uint64_t length = 0;
        plugbay_handle region = 0;
    };

    // Empty text: fine. Lays out capabilities and BARs; call power_on next.
    std::string describe(const plugbay_pci_function& description);
    void power_on();
    // The guest could not tell them apart after power-on.
    [[nodiscard]] bool same_kind(const PciFunction& other) const;

    // Registers without hooks, byte by byte.
    [[nodiscard]] std::uint8_t read_byte(unsigned offset) const;
    void write_byte(unsigned offset, std::uint8_t value);
    [[nodiscard]] const PciHook* hook(unsigned offset) const;

    // The address in the registers; 0: not assigned.
    [[nodiscard]] std::uint64_t bar_address(unsigned bar) const;
    void set_bar_address(unsigned bar, std::uint64_t address);
    [[nodiscard]] bool bar_decoded(unsigned bar) const;
    [[nodiscard]] std::uint32_t bar_kind(unsigned bar) const; // as a bridge sees it

    [[nodiscard]] std::uint16_t command() const;
    void enable_decoding(bool ports);
    [[nodiscard]] bool msix_enabled() const;
    [[nodiscard]] bool msix_masked(unsigned vector) const; // by its bit or the function's
    [[nodiscard]] bool pin_asserted() const;               // what reaches the line
    [[nodiscard]] unsigned msix_capability() const { return msix_capability_; }
    [[nodiscard]] std::uint64_t pending_offset() const { return pending_offset_; }

    DeviceRecord* owner = nullptr;
    plugbay_handle bus = 0;
    unsigned slot = 0;
    std::uint8_t interrupt_pin = 0;
    std::array<Bar, 6> bars{};
    PciRegisters registers;
    std::vector<MsixMessage> delivered;
    Heir heir = {};

  private:
    [[nodiscard]] std::uint32_t word(unsigned offset) const; // 32 bits of the space
    void set_word(unsigned offset, std::uint32_t value);
    std::string add_capability(unsigned& at, unsigned& last, std::uint8_t id, const std::uint8_t* body,
                               const std::uint8_t* writable, unsigned length);

    std::array<std::uint8_t, 256> initial_{};
    std::array<std::uint8_t, 256> writable_{};
    std::vector<PciHook> hooks_;
    unsigned msix_capability_ = 0;
    unsigned msix_bar_ = 0;
    std::uint64_t pending_offset_ = 0;
    std::size_t vector_count_ = 0;
};

} // namespace plugbay::testkit::detail
