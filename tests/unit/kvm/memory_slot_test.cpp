#include "core/kvm/memory_slot.hpp"

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

constexpr std::uint64_t page = 4096;

class CutRam : public ::testing::Test {
  protected:
    [[nodiscard]] std::vector<MemorySlotRequest> cut(const std::vector<WatchedRam>& watched) const {
        return cut_ram(ranges, watched, false);
    }
    [[nodiscard]] MemorySlotRequest slot(std::uint64_t address, std::uint64_t size,
                                         bool read_only = false) const {
        const MemoryRange& range = address < ranges[1].address ? ranges[0] : ranges[1];
        return {.address = address,
                .size = size,
                .host = range.host + (address - range.address),
                .read_only = read_only};
    }
    std::vector<std::byte> bytes = std::vector<std::byte>(32 * page);
    std::vector<MemoryRange> ranges{{.address = 0, .size = 16 * page, .host = bytes.data(), .file_offset = 0},
                                    {.address = 100 * page,
                                     .size = 16 * page,
                                     .host = bytes.data() + 16 * page,
                                     .file_offset = 16 * page}};
    using Slots = std::vector<MemorySlotRequest>;
};

TEST_F(CutRam, LeavesRangesWholeWithoutWatches) {
    EXPECT_EQ(cut({}), (Slots{slot(0, 16 * page), slot(100 * page, 16 * page)}));
    EXPECT_TRUE(cut_ram(ranges, {}, true)[1].log_dirty);
}

TEST_F(CutRam, CutsAtTheEdgesAndInTheMiddle) {
    EXPECT_EQ(cut({{.address = 112 * page, .size = 4 * page, .reads = true},
                   {.address = 5 * page, .size = page, .reads = false},
                   {.address = 0, .size = 2 * page, .reads = true},
                   {.address = 4 * page, .size = page, .reads = true}}),
              (Slots{slot(2 * page, 2 * page), slot(5 * page, page, true), slot(6 * page, 10 * page),
                     slot(100 * page, 12 * page)}));
    EXPECT_EQ(cut({{.address = 100 * page, .size = 16 * page, .reads = true}}), (Slots{slot(0, 16 * page)}));
}

} // namespace
} // namespace plugbay::core
