#include "core/base/file_run.hpp"
#include "core/memory/guest_memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

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

// A file of pages, each full of its number plus one.
class GuestMemoryParts : public ::testing::Test {
  protected:
    static constexpr std::uint64_t page = 4096;
    GuestMemoryParts() : file_(std::tmpfile(), &std::fclose) {
        for (int number = 1; number <= 4; ++number) {
            const std::string bytes(page, static_cast<char>(number));
            EXPECT_EQ(std::fwrite(bytes.data(), 1, page, file_.get()), page);
        }
        std::fflush(file_.get());
    }
    [[nodiscard]] MemoryPart part(std::uint64_t from, std::uint64_t to, std::uint64_t pages) const {
        return {.file = fileno(file_.get()),
                .file_offset = from * page,
                .memory_offset = to * page,
                .length = pages * page};
    }
    static int at(const GuestMemory& memory, std::uint64_t number) {
        return std::to_integer<int>(memory.bytes()[number * page + 17]);
    }

    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

TEST_F(GuestMemoryParts, AreWhereTheyBelongAndNothingElseIsThere) {
    const std::array parts{part(2, 5, 2), part(0, 255, 1)};
    const auto memory = GuestMemory::create(mebibyte, parts);
    ASSERT_TRUE(memory) << memory.error().text();
    EXPECT_EQ(at(**memory, 4), 0);
    EXPECT_EQ(at(**memory, 5), 3);
    EXPECT_EQ(at(**memory, 6), 4);
    EXPECT_EQ(at(**memory, 255), 1);
    EXPECT_LT((*memory)->file(), 0);
}

TEST_F(GuestMemoryParts, AreNeverWrittenTo) {
    const std::array parts{part(0, 0, 4)};
    const auto memory = GuestMemory::create(mebibyte, parts);
    ASSERT_TRUE(memory);
    const std::array bytes{std::byte{9}};
    ASSERT_TRUE((*memory)->write(17, bytes));
    EXPECT_EQ(at(**memory, 0), 9);
    const auto other = GuestMemory::create(mebibyte, parts);
    ASSERT_TRUE(other);
    EXPECT_EQ(at(**other, 0), 1);
}

TEST_F(GuestMemoryParts, AreGoneAfterClearing) {
    const std::array parts{part(0, 0, 4)};
    const auto memory = GuestMemory::create(mebibyte, parts);
    ASSERT_TRUE(memory);
    ASSERT_TRUE((*memory)->clear());
    EXPECT_EQ(at(**memory, 0), 0);
    ASSERT_TRUE((*memory)->replace(parts));
    EXPECT_EQ(at(**memory, 3), 4);
}

// Whoever saves what was written has to save what was cleared, too.
TEST(GuestMemoryDirtyPages, AreThoseThatWereClearedOrFilled) {
    constexpr std::uint64_t size = 1 << 20;
    const auto memory = GuestMemory::create(size);
    ASSERT_TRUE(memory);
    const std::vector<std::byte> bytes(2 * 4096, std::byte{7});
    (*memory)->fill(4096, bytes);
    (*memory)->start_dirty_tracking();
    ASSERT_TRUE((*memory)->clear(4096, 4096));
    EXPECT_EQ((*memory)->bytes()[4096], std::byte{0});
    EXPECT_EQ((*memory)->bytes()[8192], std::byte{7});
    EXPECT_EQ((*memory)->take_dirty_pages(), (std::vector<std::uint64_t>{2, 0, 0, 0}));
    (*memory)->fill(8192, std::span(bytes).first(4096));
    EXPECT_EQ((*memory)->take_dirty_pages(), (std::vector<std::uint64_t>{4, 0, 0, 0}));
    ASSERT_TRUE((*memory)->clear());
    EXPECT_EQ((*memory)->take_dirty_pages(), std::vector<std::uint64_t>(4, ~std::uint64_t{0}));
    EXPECT_EQ((*memory)->bytes()[8192], std::byte{0});
}

TEST_F(GuestMemoryParts, CanBeShared) {
    const std::array parts{part(1, 7, 1)};
    const auto memory = GuestMemory::create(mebibyte, parts);
    ASSERT_TRUE(memory);
    const auto shared = (*memory)->share();
    ASSERT_TRUE(shared) << shared.error().text();
    char byte = 0;
    ASSERT_EQ(::pread(shared->get(), &byte, 1, 7 * page), 1);
    EXPECT_EQ(byte, 2);
    ASSERT_EQ(::pread(shared->get(), &byte, 1, 8 * page), 1);
    EXPECT_EQ(byte, 0);
}

// Where there are holes, and nobody wrote, nothing is read; what was only looked at is no more than that.
TEST_F(GuestMemoryParts, HolesAreNotUsedUntilTheyAreWritten) {
    ASSERT_EQ(::ftruncate(fileno(file_.get()), mebibyte), 0);
    const FileRun behind = run_at(fileno(file_.get()), 4 * page, mebibyte);
    if (behind.data || ::access("/proc/self/pagemap", R_OK) != 0)
        GTEST_SKIP() << "no holes, or no /proc/self/pagemap";
    const std::array parts{part(0, 0, 256)};
    const auto memory = GuestMemory::create(2 * mebibyte, parts);
    ASSERT_TRUE(memory) << memory.error().text();
    EXPECT_EQ(at(**memory, 20), 0);  // of the file
    EXPECT_EQ(at(**memory, 300), 0); // behind it
    const std::array bytes{std::byte{9}};
    for (const std::uint64_t number : {10, 11, 255, 256, 511})
        ASSERT_TRUE((*memory)->write(number * page + 17, bytes));
    std::vector<bool> used(512);
    const auto visited = (*memory)->for_each_used([&](std::uint64_t offset, std::uint64_t end) {
        for (; offset < end; offset += page)
            used.at(offset / page) = true;
        return Result<void>();
    });
    ASSERT_TRUE(visited) << visited.error().text();
    for (std::uint64_t number = 0; number < 512; ++number) {
        const bool empty = at(**memory, number) == 0;
        // What is behind the file may have come in larger pieces than pages.
        EXPECT_TRUE(used[number] != empty || (empty && number >= 256)) << number;
    }
    const auto shared = (*memory)->share();
    ASSERT_TRUE(shared) << shared.error().text();
    std::vector<std::byte> copy(2 * mebibyte);
    ASSERT_EQ(::pread(shared->get(), copy.data(), copy.size(), 0), static_cast<ssize_t>(copy.size()));
    EXPECT_TRUE(std::ranges::equal(copy, (*memory)->bytes()));
}

TEST_F(GuestMemoryParts, AreReadWhereThereAreTooManyToMap) {
    std::vector<MemoryPart> parts;
    for (std::uint64_t i = 0; i < 5000; ++i)
        parts.push_back(part(i % 4, 2 * i, 1));
    const auto memory = GuestMemory::create(64 * mebibyte, parts);
    ASSERT_TRUE(memory) << memory.error().text();
    for (std::uint64_t i = 0; i < 5000; ++i) {
        ASSERT_EQ(at(**memory, 2 * i), static_cast<int>(i % 4 + 1));
        ASSERT_EQ(at(**memory, 2 * i + 1), 0);
    }
}

TEST_F(GuestMemoryParts, OutsideOrAcrossPagesAreRefused) {
    for (const MemoryPart& bad :
         {part(0, 256, 1), part(0, 255, 2), part(0, ~std::uint64_t{0} / page, 1),
          MemoryPart{.file = 0, .file_offset = 0, .memory_offset = 1, .length = page}}) {
        const auto memory = GuestMemory::create(mebibyte, {&bad, 1});
        EXPECT_FALSE(memory);
    }
    // A file that is too short is found when it is read.
    const auto memory = GuestMemory::create(mebibyte);
    const std::array beyond{part(3, 0, 2)};
    EXPECT_FALSE((*memory)->replace(beyond));
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
