// Who has the processor's four breakpoint registers.
#pragma once

#include "core/base/result.hpp"
#include "core/debug/debug_target.hpp"
#include "core/kvm/vcpu_debug.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace plugbay::core {

class HardwareSlots {
  public:
    using Slots = BreakpointSlots;

    // What watches takes a slot for each aligned piece of it. Not for software breakpoints.
    [[nodiscard]] Result<void> insert(const DebugBreakpoint& breakpoint);
    void remove(const DebugBreakpoint& breakpoint);
    void clear();
    [[nodiscard]] bool empty() const;

    [[nodiscard]] const Slots& slots() const { return slots_; }
    // Without those that stop at this instruction.
    [[nodiscard]] Slots slots_without(std::uint64_t instruction) const;
    // Which was hit: DR6, and where the vCPU stopped.
    [[nodiscard]] std::optional<DebugBreakpoint> hit(std::uint64_t status, std::uint64_t address) const;

  private:
    Slots slots_;
    std::array<DebugBreakpoint, hardware_breakpoint_count> owners_; // of the slots in use
};

} // namespace plugbay::core
