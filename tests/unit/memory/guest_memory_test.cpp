#include "core/memory/guest_memory.hpp"

#include <gtest/gtest.h>

#include <array>

namespace plugbay::core {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;
constexpr std::uint64_t gibibyte = 1 << 30;

TEST(GuestMemory, SmallMemoryIsOneRange) {
    auto memory = GuestMemory::create(16 * mebibyte);
    ASSERT_TRUE(memory);
    ASSERT_EQ((*memory)->ranges().size(), 1U);
    EXPECT_EQ((*memory)->ranges()[0].size, 16 * mebibyte);
}

TEST(GuestMemory, LargeMemoryLeavesThePciHole) {
    auto memory = GuestMemory::create(6 * gibibyte);
    ASSERT_TRUE(memory);
    ASSERT_EQ((*memory)->ranges().size(), 2U);
    EXPECT_EQ((*memory)->ranges()[0].size, pci_hole_start);
    EXPECT_EQ((*memory)->ranges()[1].address, pci_hole_end);
    EXPECT_EQ((*memory)->ranges()[1].size, 3 * gibibyte);
    EXPECT_TRUE((*memory)->map(pci_hole_start, 1).empty());
    EXPECT_TRUE((*memory)->map(pci_hole_end - 1, 1).empty());
    EXPECT_EQ((*memory)->map(pci_hole_end, 8).size(), 8U);
}

TEST(GuestMemory, NothingReachesPastTheEndOrOverflows) {
    auto memory = GuestMemory::create(2 * mebibyte);
    ASSERT_TRUE(memory);
    EXPECT_EQ((*memory)->map(2 * mebibyte - 1, 1).size(), 1U);
    EXPECT_TRUE((*memory)->map(2 * mebibyte - 1, 2).empty());
    EXPECT_TRUE((*memory)->map(2 * mebibyte, 1).empty());
    EXPECT_TRUE((*memory)->map(4096, ~std::uint64_t{0}).empty());
    EXPECT_TRUE((*memory)->map(~std::uint64_t{0}, 2).empty());
}

TEST(GuestMemory, WhatIsWrittenIsRead) {
    auto memory = GuestMemory::create(5 * gibibyte);
    ASSERT_TRUE(memory);
    const std::array<std::byte, 4> bytes{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
    std::array<std::byte, 4> back{};
    ASSERT_TRUE((*memory)->write(pci_hole_end + 5, bytes));
    ASSERT_TRUE((*memory)->read(pci_hole_end + 5, back));
    EXPECT_EQ(back, bytes);
    EXPECT_FALSE((*memory)->write(pci_hole_start - 2, bytes));
}

TEST(GuestMemory, OddSizesAreRefusedWithAHint) {
    const auto memory = GuestMemory::create(mebibyte + 1);
    ASSERT_FALSE(memory);
    EXPECT_NE(memory.error().hint.find("4K"), std::string::npos);
}

} // namespace
} // namespace plugbay::core
