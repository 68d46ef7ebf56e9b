// DR7 as Intel SDM volume 3, figure 18-1 has it. Breakpoint registers work on few machines that run tests.
#include "core/kvm/vcpu_debug.hpp"

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

using Kind = HardwareBreakpoint::Kind;

std::uint64_t control_of(std::size_t slot, Kind kind, std::uint8_t length) {
    BreakpointSlots slots;
    slots[slot] = HardwareBreakpoint{.kind = kind, .length = length, .address = 0x1000};
    return breakpoint_control(slots);
}

TEST(BreakpointControl, IsNothingWithoutBreakpoints) {
    EXPECT_EQ(breakpoint_control({}), 0U);
}

TEST(BreakpointControl, HasKindAndLength) {
    // R/W0 is at bits 16 and 17, LEN0 at 18 and 19: 1 byte is 00, 2 are 01, 8 are 10, 4 are 11.
    EXPECT_EQ(control_of(0, Kind::execute, 1), 0x0000'0602U);
    EXPECT_EQ(control_of(0, Kind::write, 1), 0x0001'0602U);
    EXPECT_EQ(control_of(0, Kind::write, 2), 0x0005'0602U);
    EXPECT_EQ(control_of(0, Kind::write, 8), 0x0009'0602U);
    EXPECT_EQ(control_of(0, Kind::write, 4), 0x000D'0602U);
    EXPECT_EQ(control_of(0, Kind::access, 1), 0x0003'0602U);
    EXPECT_EQ(control_of(0, Kind::access, 2), 0x0007'0602U);
    EXPECT_EQ(control_of(0, Kind::access, 8), 0x000B'0602U);
    EXPECT_EQ(control_of(0, Kind::access, 4), 0x000F'0602U);
}

TEST(BreakpointControl, HasABitAndFourForEachSlot) {
    EXPECT_EQ(control_of(1, Kind::access, 4), 0x00F0'0608U);
    EXPECT_EQ(control_of(2, Kind::write, 8), 0x0900'0620U);
    EXPECT_EQ(control_of(3, Kind::write, 2), 0x5000'0680U);
    EXPECT_EQ(control_of(3, Kind::execute, 1), 0x0000'0680U);
}

TEST(BreakpointControl, HasAllSlotsAtOnce) {
    BreakpointSlots slots;
    slots[0] = HardwareBreakpoint{.kind = Kind::execute, .length = 1, .address = 0x1000};
    slots[1] = HardwareBreakpoint{.kind = Kind::write, .length = 8, .address = 0x2000};
    slots[3] = HardwareBreakpoint{.kind = Kind::access, .length = 2, .address = 0x3000};
    EXPECT_EQ(breakpoint_control(slots), 0x7090'068AU);
}

} // namespace
} // namespace plugbay::core
