#include "pci_function.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace plugbay::testkit::detail {
namespace {

// Offsets in configuration space (PCI Local Bus 3.0, chapter 6).
constexpr unsigned at_command = 0x04;
constexpr unsigned at_status = 0x06;
constexpr unsigned at_bars = 0x10;
constexpr unsigned at_capabilities = 0x34;
constexpr unsigned at_interrupt_line = 0x3c;
constexpr unsigned first_capability = 0x40;
constexpr std::uint8_t msix_id = 0x11;
constexpr std::uint16_t command_ports = 1, command_memory = 2, command_pin_off = 0x400;
constexpr std::uint16_t msix_enable = 0x8000, msix_function_mask = 0x4000;

std::uint32_t kind_only(std::uint32_t kind) {
    return kind & ~PLUGBAY_BAR_PREFETCHABLE;
}

template <typename T>
void put(std::array<std::uint8_t, 256>& space, unsigned offset, T value) {
    for (unsigned i = 0; i < sizeof(T); ++i)
        space[offset + i] = static_cast<std::uint8_t>(value >> 8 * i);
}

} // namespace

std::uint32_t PciFunction::word(unsigned offset) const {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < 4; ++i)
        value |= std::uint32_t{registers.space[offset + i]} << 8 * i;
    return value;
}

void PciFunction::set_word(unsigned offset, std::uint32_t value) {
    put(registers.space, offset, value);
}

std::string PciFunction::add_capability(unsigned& at, unsigned& last, std::uint8_t id,
                                        const std::uint8_t* body, const std::uint8_t* writable,
                                        unsigned length) {
    if (at + 2 + length > initial_.size()) return "the capabilities do not fit into configuration space";
    initial_[last] = static_cast<std::uint8_t>(at);
    initial_[at] = id;
    for (unsigned i = 0; i < length; ++i) {
        initial_[at + 2 + i] = body[i];
        writable_[at + 2 + i] = writable == nullptr ? 0 : writable[i];
    }
    last = at + 1;
    at = (at + 2 + length + 3) & ~3u;
    return {};
}

std::string PciFunction::describe(const plugbay_pci_function& description) {
    if (description.interrupt_pin > 1) return "interrupt_pin is 0 or 1 (INTA)";
    if (description.msix_vectors > 2048) return "msix_vectors is at most 2048";
    if (description.class_code >> 24 != 0) return "class_code has more than 24 bits";
    if (description.capability_count != 0 && description.capabilities == nullptr)
        return "capabilities is NULL";
    interrupt_pin = description.interrupt_pin;
    vector_count_ = description.msix_vectors;
    put(initial_, 0x00, description.vendor_id);
    put(initial_, 0x02, description.device_id);
    put(initial_, 0x08, std::uint32_t{description.class_code << 8 | description.revision});
    put(initial_, 0x2c, description.subsystem_vendor_id);
    put(initial_, 0x2e, description.subsystem_id);
    initial_[at_interrupt_line + 1] = interrupt_pin;
    put(writable_, at_command, std::uint16_t{0x0547});
    writable_[0x0c] = 0xff; // cache line size
    writable_[at_interrupt_line] = 0xff;

    bool has_msix_bar = false;
    for (unsigned i = 0; i < bars.size(); ++i) {
        const plugbay_pci_bar& declared = description.bars[i];
        const std::string name = "BAR " + std::to_string(i);
        const std::uint32_t kind = kind_only(declared.kind);
        bars[i].kind = declared.kind;
        bars[i].length = declared.length;
        if (kind > PLUGBAY_BAR_MSIX) return name + " has an unknown kind";
        if (kind == PLUGBAY_BAR_NONE) {
            if (declared.length != 0) return name + " has a length but no kind";
            continue;
        }
        if (kind == PLUGBAY_BAR_MSIX) {
            if (has_msix_bar || vector_count_ == 0) return name + ": one MSI-X BAR, and only with vectors";
            if (declared.length != 0) return name + ": the host sizes an MSI-X BAR";
            has_msix_bar = true;
            msix_bar_ = i;
            pending_offset_ = std::max<std::uint64_t>(2048, std::bit_ceil(vector_count_ * 16));
            bars[i].length =
                std::max<std::uint64_t>(4096, std::bit_ceil(pending_offset_ + (vector_count_ + 63) / 64 * 8));
            continue;
        }
        const std::uint64_t least = kind == PLUGBAY_BAR_PORTS ? 4 : 16;
        const std::uint64_t most = kind == PLUGBAY_BAR_PORTS      ? 256
                                   : kind == PLUGBAY_BAR_MEMORY32 ? std::uint64_t{1} << 31
                                                                  : std::uint64_t{1} << 62;
        if (!std::has_single_bit(declared.length) || declared.length < least || declared.length > most)
            return name + "'s length is not a power of two that its kind can have";
        if (kind == PLUGBAY_BAR_MEMORY64 && (i == 5 || description.bars[i + 1].kind != PLUGBAY_BAR_NONE))
            return name + " is 64 bits wide and needs the next BAR to be PLUGBAY_BAR_NONE";
    }
    if (vector_count_ != 0 && !has_msix_bar) return "msix_vectors needs a BAR of kind PLUGBAY_BAR_MSIX";

    unsigned at = first_capability, last = at_capabilities;
    for (std::uint32_t i = 0; i < description.capability_count; ++i) {
        const plugbay_pci_capability& capability = description.capabilities[i];
        const std::string name = "capability " + std::to_string(i);
        if (capability.length != 0 && capability.body == nullptr) return name + " has no body";
        if (capability.hook_offset + capability.hook_length > capability.length)
            return name + "'s hook passes its body";
        if (capability.hook_length != 0)
            hooks_.push_back({i, at + 2 + capability.hook_offset, capability.hook_length});
        if (auto why = add_capability(at, last, capability.id, capability.body, capability.writable,
                                      capability.length);
            !why.empty())
            return why;
    }
    if (vector_count_ != 0) {
        std::uint8_t body[10]{}, writable[10]{};
        const auto low = static_cast<std::uint16_t>(vector_count_ - 1);
        std::memcpy(body, &low, sizeof low);
        body[2] = static_cast<std::uint8_t>(msix_bar_);
        const auto pending = static_cast<std::uint32_t>(pending_offset_ | msix_bar_);
        std::memcpy(body + 6, &pending, sizeof pending);
        writable[1] = 0xc0;
        msix_capability_ = at;
        if (auto why = add_capability(at, last, msix_id, body, writable, sizeof body); !why.empty())
            return why;
    }
    if (last != at_capabilities) initial_[at_status] = 0x10;
    return {};
}

void PciFunction::power_on() {
    registers.space = initial_;
    registers.vectors.assign(vector_count_, {});
    registers.pin = false;
    for (unsigned i = 0; i < bars.size(); ++i)
        set_bar_address(i, 0);
}

bool PciFunction::same_kind(const PciFunction& other) const {
    const auto same_bar = [](const Bar& one, const Bar& two) {
        return one.kind == two.kind && one.length == two.length;
    };
    return initial_ == other.initial_ && writable_ == other.writable_ && hooks_ == other.hooks_ &&
           interrupt_pin == other.interrupt_pin && vector_count_ == other.vector_count_ &&
           std::equal(bars.begin(), bars.end(), other.bars.begin(), same_bar);
}

const PciHook* PciFunction::hook(unsigned offset) const {
    for (const PciHook& candidate : hooks_) {
        if (offset >= candidate.first && offset - candidate.first < candidate.length) return &candidate;
    }
    return nullptr;
}

std::uint8_t PciFunction::read_byte(unsigned offset) const {
    std::uint8_t value = registers.space[offset];
    if (offset == at_status && registers.pin) value |= 0x08;
    return value;
}

void PciFunction::write_byte(unsigned offset, std::uint8_t value) {
    if (offset >= at_bars && offset < at_bars + 24) {
        const unsigned bar = (offset - at_bars) / 4;
        const bool upper = bar > 0 && kind_only(bars[bar - 1].kind) == PLUGBAY_BAR_MEMORY64;
        if (bars[bar].length == 0 && !upper) return;
        const std::uint64_t mask = upper ? ~(bars[bar - 1].length - 1) >> 32 : ~(bars[bar].length - 1);
        const unsigned shift = offset % 4 * 8;
        const auto byte_mask = static_cast<std::uint8_t>(mask >> shift);
        const std::uint8_t fixed = registers.space[offset] & static_cast<std::uint8_t>(~byte_mask);
        registers.space[offset] = static_cast<std::uint8_t>((value & byte_mask) | fixed);
        return;
    }
    const std::uint8_t mask = writable_[offset];
    registers.space[offset] = static_cast<std::uint8_t>((registers.space[offset] & ~mask) | (value & mask));
}

std::uint64_t PciFunction::bar_address(unsigned bar) const {
    const std::uint32_t kind = kind_only(bars[bar].kind);
    if (kind == PLUGBAY_BAR_NONE) return 0;
    const std::uint32_t low = word(at_bars + 4 * bar);
    if (kind == PLUGBAY_BAR_PORTS) return low & ~3u;
    std::uint64_t address = low & ~15u;
    if (kind == PLUGBAY_BAR_MEMORY64) address |= std::uint64_t{word(at_bars + 4 * bar + 4)} << 32;
    return address;
}

void PciFunction::set_bar_address(unsigned bar, std::uint64_t address) {
    const std::uint32_t kind = kind_only(bars[bar].kind);
    if (kind == PLUGBAY_BAR_NONE) return;
    std::uint32_t type = kind == PLUGBAY_BAR_PORTS ? 1 : kind == PLUGBAY_BAR_MEMORY64 ? 4 : 0;
    if ((bars[bar].kind & PLUGBAY_BAR_PREFETCHABLE) != 0 && type != 1) type |= 8;
    set_word(at_bars + 4 * bar, static_cast<std::uint32_t>(address) | type);
    if (kind == PLUGBAY_BAR_MEMORY64)
        set_word(at_bars + 4 * bar + 4, static_cast<std::uint32_t>(address >> 32));
}

std::uint32_t PciFunction::bar_kind(unsigned bar) const {
    const std::uint32_t flag = bars[bar].kind & PLUGBAY_BAR_PREFETCHABLE;
    return kind_only(bars[bar].kind) == PLUGBAY_BAR_MSIX ? PLUGBAY_BAR_MEMORY32 | flag : bars[bar].kind;
}

bool PciFunction::bar_decoded(unsigned bar) const {
    const bool ports = kind_only(bars[bar].kind) == PLUGBAY_BAR_PORTS;
    return bars[bar].length != 0 && bar_address(bar) != 0 &&
           (command() & (ports ? command_ports : command_memory)) != 0;
}

std::uint16_t PciFunction::command() const {
    return static_cast<std::uint16_t>(word(at_command));
}

void PciFunction::enable_decoding(bool ports) {
    registers.space[at_command] |= static_cast<std::uint8_t>(ports ? command_ports : command_memory);
}

bool PciFunction::msix_enabled() const {
    return msix_capability_ != 0 && (word(msix_capability_) >> 16 & msix_enable) != 0;
}

bool PciFunction::msix_masked(unsigned vector) const {
    return (word(msix_capability_) >> 16 & msix_function_mask) != 0 ||
           (registers.vectors[vector].control & 1) != 0;
}

bool PciFunction::pin_asserted() const {
    return registers.pin && interrupt_pin != 0 && (command() & command_pin_off) == 0 && !msix_enabled();
}

} // namespace plugbay::testkit::detail
