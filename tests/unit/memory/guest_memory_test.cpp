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

namespace plugbay::core {
namespace {

class ScatteredMemory : public ::testing::Test {
  protected:
    [[nodiscard]] static std::span<const std::byte> bytes(const std::string& text) {
        return std::as_bytes(std::span(text.data(), text.size()));
    }
    std::unique_ptr<GuestMemory> memory = std::move(*GuestMemory::create(2 << 20));
};

TEST_F(ScatteredMemory, IsCopiedWholeOrNotAtAll) {
    const plugbay_segment segments[] = {{0x1ffd, 3}, {~0ULL, 0}, {0x5000, 2}, {0x1ff000, 1}};
    ASSERT_TRUE(memory->write(segments, bytes("abcdef")));
    std::string back(6, '?');
    ASSERT_TRUE(memory->read(segments, std::as_writable_bytes(std::span(back.data(), back.size()))));
    EXPECT_EQ(back, "abcdef");
    EXPECT_FALSE(memory->write(segments, bytes("abcde"))); // lengths differ
    EXPECT_FALSE(memory->write(segments, bytes("abcdefg")));
    for (const plugbay_segment& wrong : {plugbay_segment{0x1fffff, 2}, plugbay_segment{0x200000, 1},
                                         plugbay_segment{~0ULL, 2}, plugbay_segment{0, ~0ULL}}) {
        const plugbay_segment list[] = {{0x1ffd, 3}, wrong};
        EXPECT_FALSE(memory->write(list, bytes("xyzzy")));
    }
    ASSERT_TRUE(memory->read(segments, std::as_writable_bytes(std::span(back.data(), back.size()))));
    EXPECT_EQ(back, "abcdef");
}

TEST_F(ScatteredMemory, HostWritesAreMarkedWhileTracked) {
    EXPECT_TRUE(memory->take_dirty_pages().empty());
    ASSERT_TRUE(memory->write(0, bytes("before")));
    memory->start_dirty_tracking();
    ASSERT_TRUE(memory->write(0x0ffe, bytes("abcd"))); // pages 0 and 1
    memory->mark_dirty(0x40000, 0x2001);               // 64, 65, 66
    memory->mark_dirty(0x200000, 1);                   // no RAM
    auto taken = memory->take_dirty_pages();
    ASSERT_EQ(taken.size(), 8u);
    EXPECT_EQ(taken[0], 3u);
    EXPECT_EQ(taken[1], 7u);
    EXPECT_EQ(memory->take_dirty_pages(), std::vector<std::uint64_t>(8));
    memory->mark_dirty(0, 1);
    memory->stop_dirty_tracking();
    memory->mark_dirty(0x1000, 1);
    EXPECT_TRUE(memory->take_dirty_pages().empty());
    memory->start_dirty_tracking();
    EXPECT_EQ(memory->take_dirty_pages(), std::vector<std::uint64_t>(8));
}

} // namespace
} // namespace plugbay::core
