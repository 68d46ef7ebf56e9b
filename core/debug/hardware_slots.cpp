#include "core/debug/hardware_slots.hpp"

#include <algorithm>
#include <vector>

namespace plugbay::core {

namespace {

HardwareBreakpoint::Kind kind_of(const DebugBreakpoint& breakpoint) {
    switch (breakpoint.kind) {
    case DebugBreakpoint::Kind::write_watch:
        return HardwareBreakpoint::Kind::write;
    case DebugBreakpoint::Kind::access_watch:
        return HardwareBreakpoint::Kind::access;
    default:
        return HardwareBreakpoint::Kind::execute;
    }
}

// The fewest aligned pieces, but one more than there are slots at most.
std::vector<HardwareBreakpoint> pieces_of(const DebugBreakpoint& breakpoint) {
    const auto kind = kind_of(breakpoint);
    if (kind == HardwareBreakpoint::Kind::execute) return {{.kind = kind, .address = breakpoint.address}};
    std::vector<HardwareBreakpoint> pieces;
    std::uint64_t address = breakpoint.address;
    std::uint64_t left = breakpoint.length;
    while (left != 0 && pieces.size() <= hardware_breakpoint_count) {
        std::uint8_t size = 8;
        while (size > left || address % size != 0)
            size /= 2;
        pieces.push_back({.kind = kind, .length = size, .address = address});
        address += size;
        left -= size;
    }
    return pieces;
}

} // namespace

Result<void> HardwareSlots::insert(const DebugBreakpoint& breakpoint) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i] && owners_[i] == breakpoint) return {};
    }
    const auto pieces = pieces_of(breakpoint);
    const auto free = std::count(slots_.begin(), slots_.end(), std::nullopt);
    if (pieces.empty()) return Error{"a watchpoint of no bytes"};
    if (pieces.size() > static_cast<std::size_t>(free)) {
        return Error{"the processor has four breakpoint registers, of which " + std::to_string(free) +
                         " are free: too few",
                     "each covers an instruction, or up to 8 aligned bytes of data"};
    }
    std::size_t slot = 0;
    for (const HardwareBreakpoint& piece : pieces) {
        while (slots_[slot])
            ++slot;
        slots_[slot] = piece;
        owners_[slot] = breakpoint;
    }
    return {};
}

void HardwareSlots::remove(const DebugBreakpoint& breakpoint) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i] && owners_[i] == breakpoint) slots_[i].reset();
    }
}

void HardwareSlots::clear() {
    slots_ = {};
}

bool HardwareSlots::empty() const {
    return std::none_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot.has_value(); });
}

HardwareSlots::Slots HardwareSlots::slots_without(std::uint64_t instruction) const {
    Slots some = slots_;
    for (auto& slot : some) {
        if (slot && slot->kind == HardwareBreakpoint::Kind::execute && slot->address == instruction)
            slot.reset();
    }
    return some;
}

std::optional<DebugBreakpoint> HardwareSlots::hit(std::uint64_t status, std::uint64_t address) const {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        // A processor may set the bits of slots that are not in use, too.
        if (!slots_[i] || (status >> i & 1) == 0) continue;
        if (slots_[i]->kind == HardwareBreakpoint::Kind::execute && slots_[i]->address != address) continue;
        return owners_[i];
    }
    return std::nullopt;
}

} // namespace plugbay::core
