// Software breakpoints in memory, and the processor's slots.
#include "core/debug/hardware_slots.hpp"
#include "core/debug/software_breakpoints.hpp"
#include "core/memory/guest_memory.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using ::testing::ElementsAre;

constexpr std::array int3{std::byte{0xCC}};
constexpr std::array two_bytes{std::byte{0xE6}, std::byte{0xF1}};

class SoftwareBreakpointsTest : public ::testing::Test {
  protected:
    SoftwareBreakpointsTest() {
        for (std::uint64_t address = 0; address < 0x4000; ++address)
            set(address, static_cast<unsigned>(address % 200));
    }
    void set(std::uint64_t address, unsigned value) {
        const auto byte = static_cast<std::byte>(value);
        EXPECT_TRUE(memory_->write(address, {&byte, 1}));
    }
    unsigned get(std::uint64_t address) {
        std::byte byte{};
        EXPECT_TRUE(memory_->read(address, {&byte, 1}));
        return std::to_integer<unsigned>(byte);
    }
    // Linear pages 0x10000.. are physical 0x1000, 0x3000; nothing else is mapped.
    static std::optional<std::uint64_t> translate(std::uint64_t linear) {
        if (linear >= 0x10000 && linear < 0x11000) return linear - 0x10000 + 0x1000;
        if (linear >= 0x11000 && linear < 0x12000) return linear - 0x11000 + 0x3000;
        if (linear == 0x20000) return 0x1000'0000; // no RAM there
        return std::nullopt;
    }

    std::unique_ptr<GuestMemory> memory_ = *GuestMemory::create(1 << 20);
};

TEST_F(SoftwareBreakpointsTest, ArePlantedFoundHiddenAndRemoved) {
    SoftwareBreakpoints breakpoints(*memory_, int3);
    ASSERT_TRUE(breakpoints.insert(0x10010, translate));
    ASSERT_TRUE(breakpoints.insert(0x10010, translate)) << "again is nothing";
    EXPECT_EQ(get(0x1010), 0xCCU);
    EXPECT_EQ(breakpoints.at(0x1010), 0x10010U);
    EXPECT_EQ(breakpoints.at(0x1011), std::nullopt);
    std::array<std::byte, 4> bytes{};
    ASSERT_TRUE(memory_->read(0x100E, bytes));
    breakpoints.hide(0x100E, bytes);
    EXPECT_EQ(bytes[2], std::byte{0x1010 % 200});
    breakpoints.remove(0x10010);
    EXPECT_EQ(get(0x1010), 0x1010U % 200);
    EXPECT_TRUE(breakpoints.empty());
}

TEST_F(SoftwareBreakpointsTest, AllAreLiftedAndPutBack) {
    SoftwareBreakpoints breakpoints(*memory_, two_bytes);
    for (const std::uint64_t linear : {0x10010, 0x10020, 0x10030})
        ASSERT_TRUE(breakpoints.insert(linear, translate));
    breakpoints.lift(0x1010); // a step goes over it
    set(0x1020, 7);           // the guest has written over it
    breakpoints.lift_all();
    for (const std::uint64_t address : {0x1010, 0x1011, 0x1021, 0x1030, 0x1031})
        EXPECT_EQ(get(address), address % 200);
    EXPECT_EQ(get(0x1020), 7U);
    breakpoints.put_back();
    EXPECT_EQ(get(0x1010), 0xE6U);
    EXPECT_EQ(get(0x1020), 7U);
    EXPECT_EQ(get(0x1021), 0x1021U % 200);
    EXPECT_EQ(get(0x1031), 0xF1U);
}

TEST_F(SoftwareBreakpointsTest, RefuseWhereNoRamIs) {
    SoftwareBreakpoints breakpoints(*memory_, int3);
    EXPECT_FALSE(breakpoints.insert(0x30000, translate));
    EXPECT_FALSE(breakpoints.insert(0x20000, translate));
    EXPECT_TRUE(breakpoints.empty());
}

TEST_F(SoftwareBreakpointsTest, TwoBytesMayLieInTwoPages) {
    SoftwareBreakpoints breakpoints(*memory_, two_bytes);
    ASSERT_TRUE(breakpoints.insert(0x10FFF, translate));
    EXPECT_EQ(get(0x1FFF), 0xE6U);
    EXPECT_EQ(get(0x3000), 0xF1U);
    EXPECT_FALSE(breakpoints.insert(0x11000, translate)) << "they would overlap";
    EXPECT_FALSE(breakpoints.insert(0x11FFF, translate)) << "the second byte is not mapped";
    EXPECT_EQ(get(0x3FFF), 0x3FFFU % 200) << "and nothing was changed";
    breakpoints.remove_all();
    EXPECT_EQ(get(0x1FFF), 0x1FFFU % 200);
    EXPECT_EQ(get(0x3000), 0x3000U % 200);
}

TEST_F(SoftwareBreakpointsTest, WhatTheGuestWroteSinceStays) {
    SoftwareBreakpoints breakpoints(*memory_, int3);
    ASSERT_TRUE(breakpoints.insert(0x10010, translate));
    set(0x1010, 7);
    std::array<std::byte, 1> byte{std::byte{7}};
    breakpoints.hide(0x1010, byte);
    EXPECT_EQ(byte[0], std::byte{7});
    breakpoints.remove(0x10010);
    EXPECT_EQ(get(0x1010), 7U);
}

TEST_F(SoftwareBreakpointsTest, AreLiftedForAStep) {
    SoftwareBreakpoints breakpoints(*memory_, int3);
    ASSERT_TRUE(breakpoints.insert(0x10010, translate));
    ASSERT_TRUE(breakpoints.insert(0x10020, translate));
    breakpoints.lift(0x1010);
    EXPECT_EQ(get(0x1010), 0x1010U % 200);
    EXPECT_EQ(get(0x1020), 0xCCU);
    set(0x1010, 9); // the instruction changed itself
    breakpoints.put_back();
    EXPECT_EQ(get(0x1010), 0xCCU);
    breakpoints.remove(0x10010);
    EXPECT_EQ(get(0x1010), 9U);
}

TEST_F(SoftwareBreakpointsTest, ADebuggersWritesGoBelowThem) {
    SoftwareBreakpoints breakpoints(*memory_, int3);
    ASSERT_TRUE(breakpoints.insert(0x10010, translate));
    const std::array<std::byte, 3> bytes{std::byte{1}, std::byte{2}, std::byte{3}};
    EXPECT_TRUE(breakpoints.write(0x100F, bytes));
    EXPECT_EQ(get(0x100F), 1U);
    EXPECT_EQ(get(0x1010), 0xCCU);
    EXPECT_EQ(get(0x1011), 3U);
    breakpoints.remove_all();
    EXPECT_EQ(get(0x1010), 2U);
    EXPECT_FALSE(breakpoints.write(1 << 20, bytes));
}

TEST_F(SoftwareBreakpointsTest, AreBounded) {
    SoftwareBreakpoints breakpoints(*memory_, int3);
    for (std::uint64_t i = 0; i < SoftwareBreakpoints::most; ++i)
        ASSERT_TRUE(breakpoints.insert(0x10000 + i, translate));
    EXPECT_FALSE(breakpoints.insert(0x10FFF, translate));
    breakpoints.forget_all();
    EXPECT_TRUE(breakpoints.empty());
    EXPECT_EQ(get(0x1000), 0xCCU) << "forgotten, not restored";
}

using Kind = DebugBreakpoint::Kind;

TEST(HardwareSlots, WatchedRangesAreCutIntoAlignedPieces) {
    HardwareSlots slots;
    ASSERT_TRUE(slots.insert({Kind::write_watch, 0x1003, 7}));
    std::vector<std::pair<std::uint64_t, int>> pieces;
    for (const auto& slot : slots.slots()) {
        if (slot) pieces.emplace_back(slot->address, slot->length);
    }
    EXPECT_THAT(pieces, ElementsAre(std::pair{0x1003, 1}, std::pair{0x1004, 4}, std::pair{0x1008, 2}));
    EXPECT_FALSE(slots.insert({Kind::access_watch, 0x2000, 16})) << "one slot is left";
    EXPECT_TRUE(slots.insert({Kind::access_watch, 0x2000, 8}));
    EXPECT_FALSE(slots.insert({Kind::hardware, 0x3000, 1}));
    slots.remove({Kind::write_watch, 0x1003, 7});
    EXPECT_TRUE(slots.insert({Kind::hardware, 0x3000, 1}));
    EXPECT_FALSE(slots.empty());
    slots.clear();
    EXPECT_TRUE(slots.empty());
}

TEST(HardwareSlots, HugeAndEmptyRangesAreRefused) {
    HardwareSlots slots;
    EXPECT_FALSE(slots.insert({Kind::write_watch, 0x1000, ~std::uint64_t{0}}));
    EXPECT_FALSE(slots.insert({Kind::write_watch, 0x1000, 0}));
    EXPECT_TRUE(slots.empty());
}

TEST(HardwareSlots, HitsNameTheOwner) {
    HardwareSlots slots;
    const DebugBreakpoint code{Kind::hardware, 0x1000, 1};
    const DebugBreakpoint data{Kind::write_watch, 0x2006, 4};
    ASSERT_TRUE(slots.insert(code));
    ASSERT_TRUE(slots.insert(code)) << "again is nothing";
    ASSERT_TRUE(slots.insert(data));
    EXPECT_EQ(slots.hit(1, 0x1000), code);
    EXPECT_EQ(slots.hit(1, 0x1001), std::nullopt);
    EXPECT_EQ(slots.hit(4, 0x5000), data) << "the second piece";
    EXPECT_EQ(slots.hit(8, 0x5000), std::nullopt) << "not in use";
    EXPECT_EQ(slots.hit(0x4000, 0x1000), std::nullopt);
    EXPECT_FALSE(slots.slots_without(0x1000)[0]);
    EXPECT_TRUE(slots.slots_without(0x1000)[1]);
    EXPECT_TRUE(slots.slots_without(0x2000)[0]);
}

} // namespace
} // namespace plugbay::core
