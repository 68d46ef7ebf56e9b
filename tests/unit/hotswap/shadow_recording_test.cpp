// A tap's records cut into rounds, without gaps.
#include "core/hotswap/shadow_recording.hpp"

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

class ShadowRecordingTest : public testing::Test {
  protected:
    void note(std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i)
            tap->note({.time = ++noted});
    }
    // The times of what was noted.
    static std::vector<std::uint64_t> times(const ShadowRecording::Part& part) {
        std::vector<std::uint64_t> result;
        for (const AccessRecord& record : part.records)
            result.push_back(record.time);
        return result;
    }
    static std::vector<std::uint64_t> range(std::uint64_t first, std::uint64_t last) {
        std::vector<std::uint64_t> result;
        for (std::uint64_t i = first; i <= last; ++i)
            result.push_back(i);
        return result;
    }

    std::shared_ptr<AccessTap> tap = std::make_shared<AccessTap>(16);
    ShadowRecording recording{tap};
    std::uint64_t noted = 0;
};

TEST_F(ShadowRecordingTest, RoundsFollowOneAnother) {
    note(5);
    recording.read();
    note(3);
    auto cut = recording.cut();
    note(2); // of the next round already
    auto first = recording.take(cut);
    EXPECT_TRUE(first.whole);
    EXPECT_EQ(times(first), range(1, 8));
    note(4);
    auto second = recording.take(recording.cut());
    EXPECT_TRUE(second.whole);
    EXPECT_EQ(times(second), range(9, 14));
    EXPECT_TRUE(recording.take(recording.cut()).records.empty());
    note(1);
    EXPECT_EQ(times(recording.take(recording.cut())), range(15, 15));
}

TEST_F(ShadowRecordingTest, AGapEndsTheRoundBeforeIt) {
    note(4);
    recording.read();
    note(20); // the ring has 16
    EXPECT_FALSE(recording.full());
    recording.read();
    EXPECT_TRUE(recording.full());
    note(2); // after the gap
    const auto part = recording.take(recording.cut());
    EXPECT_FALSE(part.whole);
    EXPECT_EQ(times(part), range(1, 4));
    note(3);
    const auto next = recording.take(recording.cut());
    EXPECT_TRUE(next.whole);
    EXPECT_EQ(times(next), range(27, 29));
}

TEST_F(ShadowRecordingTest, AGapAtTheCutBelongsToTheNextRound) {
    note(3);
    const auto cut = recording.cut();
    note(20);
    const auto part = recording.take(cut);
    EXPECT_TRUE(part.whole);
    EXPECT_EQ(times(part), range(1, 3));
    const auto next = recording.take(recording.cut());
    EXPECT_FALSE(next.whole);
    EXPECT_TRUE(next.records.empty());
    note(2);
    EXPECT_EQ(times(recording.take(recording.cut())), range(24, 25));
}

TEST_F(ShadowRecordingTest, WhatIsMoreThanARoundCanHaveIsNotLookedAt) {
    while (!recording.full()) {
        note(16);
        recording.read();
    }
    note(10);
    const auto part = recording.take(recording.cut());
    EXPECT_FALSE(part.whole);
    EXPECT_EQ(part.records.size(), ShadowRecording::most_records);
    EXPECT_EQ(part.records.back().time, ShadowRecording::most_records);
    note(1);
    const auto next = recording.take(recording.cut());
    EXPECT_TRUE(next.whole);
    EXPECT_EQ(times(next), range(noted, noted));
}

TEST(ReplayEntry, IsMadeOfWhatWasNoted) {
    const AccessNames names(
        {{.kind = AccessPlace::Kind::ports, .token = 3, .base = 0x3f8, .length = 8},
         {.kind = AccessPlace::Kind::bar, .token = 3, .base = 2, .length = 0x1000},
         {.kind = AccessPlace::Kind::memory, .token = 4, .base = 0xfed0'0000, .length = 16}});
    const auto entry = [&](AccessRecord record) { return replay_entry(record, names); };
    using Kind = AccessRecord::Kind;
    const auto read = entry({.kind = Kind::read,
                             .width = 2,
                             .overlapped = true,
                             .took = 9,
                             .time = 8,
                             .token = 3,
                             .offset = 4,
                             .value = 5});
    EXPECT_EQ(read.kind, ReplayEntry::Kind::ports);
    EXPECT_EQ(read.write, 0);
    EXPECT_EQ(read.base, 0x3f8u);
    EXPECT_EQ(read.offset, 4u);
    EXPECT_EQ(read.value, 5u);
    EXPECT_EQ(read.width, 2);
    EXPECT_EQ(read.took, 9u);
    EXPECT_EQ(read.time, 8u);
    EXPECT_EQ(read.overlapped, 1);
    const auto beyond = entry({.kind = Kind::write, .width = 2, .token = 3, .offset = 7});
    EXPECT_EQ(beyond.kind, ReplayEntry::Kind::bar); // the first that it fits into
    EXPECT_EQ(beyond.base, 2u);
    EXPECT_EQ(beyond.write, 1);
    EXPECT_EQ(entry({.kind = Kind::read, .width = 8, .token = 4, .offset = 8}).kind,
              ReplayEntry::Kind::memory);
    EXPECT_EQ(entry({.kind = Kind::read, .width = 8, .token = 4, .offset = 9}).kind,
              ReplayEntry::Kind::input);
    EXPECT_EQ(entry({.kind = Kind::read, .width = 1, .token = 9}).kind, ReplayEntry::Kind::input);
    const auto msr = entry({.kind = Kind::msr_write, .answered = false, .offset = 0x123, .value = 1});
    EXPECT_EQ(msr.kind, ReplayEntry::Kind::msr);
    EXPECT_EQ(msr.write, 1);
    EXPECT_EQ(msr.faulted, 1);
    EXPECT_EQ(entry({.kind = Kind::timer}).kind, ReplayEntry::Kind::timer);
    EXPECT_EQ(entry({.kind = Kind::input}).kind, ReplayEntry::Kind::input);
    EXPECT_EQ(entry({.kind = Kind::call}).kind, ReplayEntry::Kind::input);
}

} // namespace
} // namespace plugbay::core
