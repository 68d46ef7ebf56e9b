#include "core/boot/guest_space.hpp"

#include "tests/unit/boot/test_images.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using ::testing::HasSubstr;

TEST(GuestSpace, ClaimsMayTouchButNotOverlap) {
    const auto memory = test::make_memory(2 << 20);
    GuestSpace space(*memory);
    ASSERT_TRUE(space.claim(0x1000, 0x1000, "first"));
    EXPECT_TRUE(space.claim(0x2000, 0x1000, "after"));
    EXPECT_TRUE(space.claim(0, 0x1000, "before"));
    const auto clash = space.claim(0x1fff, 2, "late");
    ASSERT_FALSE(clash);
    EXPECT_THAT(clash.error().message, HasSubstr("late at 0x1fff"));
    EXPECT_THAT(clash.error().message, HasSubstr("overlaps first"));
    EXPECT_EQ(space.claimed().size(), 3U);
}

TEST(GuestSpace, ClaimsOutsideRamAndOverflowsAreRefused) {
    const auto memory = test::make_memory(2 << 20);
    GuestSpace space(*memory);
    EXPECT_FALSE(space.claim(0x1fffff, 2, "tail"));
    EXPECT_FALSE(space.claim(0x200000, 1, "past"));
    EXPECT_FALSE(space.claim(~std::uint64_t{0}, 2, "wrap"));
    EXPECT_FALSE(space.claim(0x1000, ~std::uint64_t{0}, "huge"));
    EXPECT_FALSE(space.claim(0x1000, 0, "nothing"));
    EXPECT_TRUE(space.claim(0x1fffff, 1, "last byte"));
}

TEST(GuestSpace, ClaimsStayBelowThePciHole) {
    const auto memory = test::make_memory(std::uint64_t{5} << 30);
    GuestSpace space(*memory);
    EXPECT_EQ(space.end(), pci_hole_start);
    EXPECT_FALSE(space.claim(pci_hole_end, 0x1000, "high"));
}

TEST(GuestSpace, FindsTheHighestFreeRun) {
    const auto memory = test::make_memory(2 << 20);
    GuestSpace space(*memory);
    EXPECT_EQ(space.find_highest(0x1001, 0x1000, 0x100000, ~std::uint64_t{0}), 0x1fe000U);
    space.block(0x1f0000, 0x8000, "block");
    EXPECT_EQ(space.find_highest(0x8001, 0x1000, 0x100000, 0x200000), 0x1e7000U);
    EXPECT_EQ(space.find_highest(0x8000, 0x1000, 0x100000, 0x200000), 0x1f8000U);
    EXPECT_EQ(space.find_highest(0x100000, 0x1000, 0x100000, 0x200000), std::nullopt);
    EXPECT_EQ(space.find_highest(~std::uint64_t{0}, 0x1000, 0, ~std::uint64_t{0}), std::nullopt);
}

TEST(GuestSpace, FindsTheLowestFreeRun) {
    const auto memory = test::make_memory(2 << 20);
    GuestSpace space(*memory);
    space.block(0x100000, 0x1800, "block");
    EXPECT_EQ(space.find_lowest(0x1000, 0x1000, 0x100000, 0x200000), 0x102000U);
    EXPECT_EQ(space.find_lowest(0x1000, 0x10000, 0x100000, 0x200000), 0x110000U);
    EXPECT_EQ(space.find_lowest(0x100000, 1, 0x100000, 0x200000), std::nullopt);
    EXPECT_EQ(space.find_lowest(1, 0x80000000, 0x100000, 0x200000), std::nullopt);
    EXPECT_EQ(space.find_lowest(1, 1, ~std::uint64_t{0}, ~std::uint64_t{0}), std::nullopt);
    space.block(0x180000, ~std::uint64_t{0} - 0x180000, "up to the end of addresses");
    EXPECT_EQ(space.find_lowest(0x80000, 1, 0x101800, 0x200000), std::nullopt);
}

} // namespace
} // namespace plugbay::core
