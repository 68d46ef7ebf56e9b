// What of a vCPU's doings comes back as an exit of kind `debug`.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace plugbay::core {

// One of the processor's breakpoint registers (Intel SDM volume 3, 18.2). `address` is linear and a multiple of
// `length`, which is 1, 2, 4 or 8 bytes, and 1 for `execute`.
struct HardwareBreakpoint {
    enum class Kind : std::uint8_t { execute = 0, write = 1, access = 3 }; // as in DR7
    Kind kind = Kind::execute;
    std::uint8_t length = 1;
    std::uint64_t address = 0;

    friend bool operator==(const HardwareBreakpoint&, const HardwareBreakpoint&) = default;
};

inline constexpr std::size_t hardware_breakpoint_count = 4;

using BreakpointSlots = std::array<std::optional<HardwareBreakpoint>, hardware_breakpoint_count>;

struct VcpuDebug {
    bool single_step = false; // one instruction, without taking interrupts where KVM can hold them off
    bool software_breakpoints = false; // int3
    BreakpointSlots slots{};
};

// DR7 for these: each in the register of its number. 0 if there is none.
[[nodiscard]] std::uint64_t breakpoint_control(const BreakpointSlots& slots);

} // namespace plugbay::core
