// What a guest did, done again to another build in a process of its own.
#include "core/hotswap/rehearsal.hpp"
#include "tests/temporary_folder.hpp"

#include <plugbay/unique_fd.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

namespace plugbay::core {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true; // the sanitizer catches signals and ends the process itself
#else
constexpr bool sanitized = false;
#endif

constexpr std::uint64_t begun = 1'000'000'000; // guest time, ns
constexpr std::uint64_t millisecond = 1'000'000;

// Of a gauge.
struct State {
    std::uint32_t sum = 0;
    std::uint8_t expired = 0;
    std::uint64_t deadline = 0;
    std::uint8_t answer = 0;
    std::uint32_t hidden = 0;
};

class ReplayTest : public testing::Test {
  protected:
    ReplayTest() { ::setenv("PLUGBAY_RUNTIME_DIR", runtime_.path("run").c_str(), 1); }
    ~ReplayTest() override { ::unsetenv("PLUGBAY_RUNTIME_DIR"); }

    static StateImage image(const State& state) {
        StateBuilder builder("gauge", 1);
        builder.put("sum", PLUGBAY_FIELD_U32, &state.sum, 1, 0);
        builder.put("expired", PLUGBAY_FIELD_U8, &state.expired, 1, 0);
        builder.put("deadline", PLUGBAY_FIELD_U64, &state.deadline, 1, 0);
        builder.put("answer", PLUGBAY_FIELD_U8, &state.answer, 1, 0);
        builder.put("hidden", PLUGBAY_FIELD_U32, &state.hidden, 1, 0);
        std::string error;
        return builder.finish(error).value();
    }
    // Accesses and events, each 10 us after the one before.
    ReplayEntry& add(ReplayEntry::Kind kind) {
        time_ += 10'000;
        replay_.entries.push_back({.kind = kind, .took = 1000, .time = time_});
        return replay_.entries.back();
    }
    void reads(std::uint64_t offset, std::uint64_t value, std::uint8_t width = 1) {
        ReplayEntry& entry = add(ReplayEntry::Kind::ports);
        entry.base = 0x500;
        entry.offset = offset;
        entry.width = width;
        entry.value = value;
    }
    void writes(std::uint64_t offset, std::uint64_t value) {
        reads(offset, value);
        replay_.entries.back().write = 1;
    }
    void timer_at(std::uint64_t time) {
        add(ReplayEntry::Kind::timer).time = time;
        time_ = time;
    }
    // Of the build gauge-<flaw>.
    RehearsalReport play(const std::string& flaw, const State& end, const State& beginning = {}) {
        auto staged = staging_.stage(std::filesystem::path(PLUGBAY_TEST_PLUGINS) / ("gauge-" + flaw + ".so"));
        if (!staged) throw std::runtime_error(staged.error().text());
        RehearsalRequest request{.plugin = *staged, .type = "gauge", .id = "subject", .beside = true};
        request.executable = PLUGBAY_BINARY;
        request.properties.resize(1);
        request.properties[0] = property_;
        request.links = links_;
        request.state = image(beginning);
        request.machine.guest_time = begun;
        request.limit = limit_;
        replay_.end = image(end);
        replay_.late_beginning = {.guest_time = begun + 50, .calendar = request.machine.calendar + 50};
        replay_.early_end = {.guest_time = time_ + 10'000, .calendar = 0};
        replay_.late_end = {.guest_time = time_ + 10'100, .calendar = 0};
        request.replay = replay_;
        const auto report = rehearse(request);
        EXPECT_TRUE(report) << (report ? "" : report.error().text());
        return report ? *report : RehearsalReport{};
    }

    TemporaryFolder runtime_;
    Staging staging_;
    Replay replay_;
    PropertyValue property_;
    std::vector<RehearsedLink> links_;
    std::chrono::milliseconds limit_ = std::chrono::seconds(10);
    std::uint64_t time_ = begun + millisecond;
};

TEST_F(ReplayTest, ABuildThatIsEqualIsFoundEqual) {
    writes(0, 5);
    reads(0, 15);
    reads(1, 1);
    const auto report = play("equal", {.sum = 15}, {.sum = 10});
    EXPECT_TRUE(report.passed) << report.why << report.output;
    EXPECT_TRUE(report.replay.whole);
    EXPECT_TRUE(report.replay.certain);
    EXPECT_EQ(report.replay.compared, 2u);
    EXPECT_EQ(report.replay.by_clock, 0u);
    EXPECT_THAT(report.replay.answers, IsEmpty());
    EXPECT_THAT(report.replay.fields, IsEmpty());
    EXPECT_EQ(report.replay.reached, std::nullopt); // it is past them
}

TEST_F(ReplayTest, AnotherAnswerIsFoundWithItsAccess) {
    writes(0, 5);
    reads(0, 5);
    reads(1, 1);
    const auto report = play("answers", {.sum = 5});
    ASSERT_EQ(report.replay.answers.size(), 1u);
    EXPECT_EQ(report.replay.answers[0].entry, 2u);
    EXPECT_EQ(report.replay.answers[0].value, 0u);
    EXPECT_TRUE(report.replay.answers[0].certain);
    EXPECT_THAT(report.replay.fields, IsEmpty());
}

TEST_F(ReplayTest, OfManyDifferencesTheFirstAreToldAndTheRestCounted) {
    for (int i = 0; i < 100; ++i)
        reads(1, 0);
    const auto report = play("answers", {});
    EXPECT_EQ(report.replay.answers.size(), 32u);
    EXPECT_EQ(report.replay.more_answers, 68u);
    EXPECT_EQ(report.replay.compared, 100u);
}

TEST_F(ReplayTest, AStateThatDriftsIsFoundByItsField) {
    writes(0, 0x66);
    const auto report = play("drifts", {.sum = 0x66});
    EXPECT_THAT(report.replay.answers, IsEmpty());
    ASSERT_EQ(report.replay.fields.size(), 1u);
    EXPECT_EQ(report.replay.fields[0].text, "field hidden: 0, in the new build 1");
    EXPECT_TRUE(report.replay.fields[0].certain);
}

TEST_F(ReplayTest, ACrashAndAHangAreFoundWithTheirAccess) {
    writes(0, 1);
    writes(0, 0x66);
    reads(0, 0x67);
    const auto crash = play("crashes", {.sum = 0x67});
    EXPECT_FALSE(crash.passed);
    EXPECT_TRUE(crash.killed);
    EXPECT_FALSE(crash.late);
    EXPECT_EQ(crash.step, "replay");
    EXPECT_EQ(crash.replay.reached, 1u);
    if (!sanitized) {
        EXPECT_EQ(crash.why, "it was killed by SIGSEGV in replay");
    }
    limit_ = std::chrono::milliseconds(1500);
    const auto hang = play("hangs", {.sum = 0x67});
    EXPECT_TRUE(hang.late);
    EXPECT_EQ(hang.step, "replay");
    EXPECT_EQ(hang.replay.reached, 1u);
}

// The old build's counter was read at some moment within the access.
TEST_F(ReplayTest, WhatDependsOnTheClockMayDifferAsMuchAsTheClockDoes) {
    reads(4, 0, 4);
    const std::uint64_t came = replay_.entries.back().time;
    replay_.entries.back().value = (came + 500) / 100;
    const auto equal = play("equal", {});
    EXPECT_THAT(equal.replay.answers, IsEmpty());
    EXPECT_EQ(equal.replay.by_clock, 1u);
    const auto slow = play("slow_clock", {});
    EXPECT_EQ(slow.replay.answers.size(), 1u);
    replay_.entries.back().value = (came + 1500) / 100; // after the answer
    EXPECT_EQ(play("equal", {}).replay.answers.size(), 1u);
    replay_.entries.back().value = (came - 500) / 100; // before it came
    EXPECT_EQ(play("equal", {}).replay.answers.size(), 1u);
}

// Timers expire when they did, not when they were due.
TEST_F(ReplayTest, TimersExpireWhereTheyDid) {
    writes(2, 1); // in a millisecond
    const std::uint64_t due = time_ + millisecond;
    time_ = due + 20'000;
    reads(1, 0); // the I/O loop was late
    timer_at(due + 50'000);
    reads(1, 2);
    reads(2, 1);
    const auto equal = play("equal", {.expired = 1});
    EXPECT_THAT(equal.replay.answers, IsEmpty());
    EXPECT_THAT(equal.replay.fields, IsEmpty());
    EXPECT_TRUE(equal.replay.certain);
    const auto different = play("answers_after_timer", {.expired = 1});
    ASSERT_EQ(different.replay.answers.size(), 1u);
    EXPECT_EQ(different.replay.answers[0].entry, 3u);
    EXPECT_TRUE(different.replay.answers[0].certain);
}

// One that was armed before the round is in the state.
TEST_F(ReplayTest, ATimerThatWasArmedBeforeExpiresToo) {
    timer_at(begun + 3 * millisecond);
    reads(2, 1);
    const auto report = play("equal", {.expired = 1}, {.deadline = begun + 2 * millisecond});
    EXPECT_THAT(report.replay.answers, IsEmpty());
    EXPECT_TRUE(report.replay.certain);
}

// Nobody knows whether the old build's would have expired just then.
TEST_F(ReplayTest, ATimerThatNeverExpiredIsHelpedAndSaidSo) {
    writes(2, 1);
    time_ += 500 * millisecond;
    reads(1, 0);
    const auto report = play("equal", {});
    EXPECT_FALSE(report.replay.certain);
    ASSERT_EQ(report.replay.answers.size(), 1u);
    EXPECT_FALSE(report.replay.answers[0].certain);
}

TEST_F(ReplayTest, WhatComesAfterAnInputIsNotCertain) {
    reads(1, 0);
    add(ReplayEntry::Kind::input);
    reads(1, 0);
    const auto report = play("answers", {.hidden = 3});
    EXPECT_FALSE(report.replay.certain);
    ASSERT_EQ(report.replay.answers.size(), 2u);
    EXPECT_TRUE(report.replay.answers[0].certain);
    EXPECT_FALSE(report.replay.answers[1].certain);
    ASSERT_EQ(report.replay.fields.size(), 1u);
    EXPECT_FALSE(report.replay.fields[0].certain);
}

TEST_F(ReplayTest, AccessesAtTheSameTimeAreNotCertain) {
    reads(1, 0);
    replay_.entries.back().overlapped = 1;
    const auto report = play("answers", {});
    ASSERT_EQ(report.replay.answers.size(), 1u);
    EXPECT_FALSE(report.replay.answers[0].certain);
}

// The fake takes the byte, and the old build's peer did not: what is read then is no defect of the new build.
TEST_F(ReplayTest, WhatComesAfterACallToAPeerIsNotCertain) {
    links_.push_back({.port = 0});
    reads(3, 9);
    writes(3, 0x41);
    reads(3, 0);
    const auto report = play("answers_peer", {.answer = 0}, {.answer = 9});
    ASSERT_EQ(report.replay.answers.size(), 2u);
    EXPECT_TRUE(report.replay.answers[0].certain);
    EXPECT_FALSE(report.replay.answers[1].certain);
    EXPECT_FALSE(report.replay.certain);
    EXPECT_TRUE(play("equal", {.answer = 1}, {.answer = 9}).replay.fields.empty());
}

TEST_F(ReplayTest, WithoutAnEndNoStatesAreCompared) {
    writes(0, 0x66);
    auto whole = play("drifts", {.sum = 0x66});
    EXPECT_EQ(whole.replay.fields.size(), 1u);
    // As after an overflow.
    auto staged = staging_.stage(std::filesystem::path(PLUGBAY_TEST_PLUGINS) / "gauge-drifts.so");
    ASSERT_TRUE(staged);
    RehearsalRequest request{.plugin = *staged, .type = "gauge", .id = "subject", .beside = true};
    request.executable = PLUGBAY_BINARY;
    request.properties.resize(1);
    request.state = image({});
    request.machine.guest_time = begun;
    request.replay = replay_;
    request.replay->end.reset();
    const auto report = rehearse(request);
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->replay.whole);
    EXPECT_THAT(report->replay.fields, IsEmpty());
}

TEST_F(ReplayTest, WhatReachesOutsideIsNotTried) {
    property_ = {.given = true, .number = 0, .text = "/nowhere/file"};
    writes(0, 0x66);
    const auto report = play("crashes", {});
    EXPECT_TRUE(report.passed) << report.why;
    EXPECT_FALSE(report.replay.whole);
    EXPECT_THAT(report.replay.not_comparable, HasSubstr("its property \"file\" names a file"));
}

TEST_F(ReplayTest, AStateThatIsRefusedIsToldWithItsStep) {
    StateBuilder builder("gauge", 1);
    const std::uint32_t sum = 1;
    builder.put("sum", PLUGBAY_FIELD_U32, &sum, 1, 0);
    auto staged = staging_.stage(std::filesystem::path(PLUGBAY_TEST_PLUGINS) / "gauge-equal.so");
    ASSERT_TRUE(staged);
    std::string error;
    RehearsalRequest request{.plugin = *staged, .type = "gauge", .id = "subject", .beside = true};
    request.executable = PLUGBAY_BINARY;
    request.properties.resize(1);
    request.state = builder.finish(error);
    request.replay.emplace();
    const auto report = rehearse(request);
    ASSERT_TRUE(report);
    EXPECT_FALSE(report->passed);
    EXPECT_FALSE(report->killed);
    EXPECT_EQ(report->step, "load");
    EXPECT_FALSE(report->replay.whole);
}

} // namespace
} // namespace plugbay::core
