// Virtual time, file descriptors, life cycle.
#include "probe_bench.hpp"

#include <plugbay/unique_fd.hpp>

#include <array>
#include <sys/mman.h>
#include <unistd.h>

namespace plugbay::testkit {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(WithProbe, TimersFireInOrderAtTheirTime) {
    start();
    const auto base = bench.now(PLUGBAY_CLOCK_HOST);
    command(0, 250);
    command(1, 100);
    bench.advance(299us);
    EXPECT_THAT(lines(bench),
                ElementsAre("start", "timer 2 at " + std::to_string(base + 100'000),
                            "timer 2 at " + std::to_string(base + 200'000), "timer 1 at 250000"));
    EXPECT_EQ(bench.now(PLUGBAY_CLOCK_GUEST), 299'000u);
    EXPECT_EQ(bench.now(PLUGBAY_CLOCK_HOST), base + 299'000);
    command(11, 0);
    bench.advance(1s);
    EXPECT_EQ(lines(bench).size(), 4u);
}

TEST_F(WithProbe, TimePassesWithoutAnybodyBeingServed) {
    start();
    const auto base = bench.now(PLUGBAY_CLOCK_HOST);
    command(0, 250);
    command(1, 100);
    EXPECT_EQ(bench.overdue(), 0ns);
    bench.pass(260us);
    EXPECT_EQ(lines(bench).size(), 1u);
    EXPECT_EQ(bench.now(PLUGBAY_CLOCK_GUEST), 260'000u);
    EXPECT_EQ(bench.overdue(), 160us);
    EXPECT_EQ(bench.expire_timers(), 2u); // one of them once for both periods
    EXPECT_THAT(lines(bench),
                ElementsAre("start", "timer 2 at " + std::to_string(base + 260'000), "timer 1 at 260000"));
    EXPECT_EQ(bench.overdue(), 0ns);
    EXPECT_EQ(bench.expire_timers(), 0u);
    EXPECT_THROW(bench.pass(-1ns), Error);
}

TEST_F(WithProbe, GuestTimeStandsStillWhileQuiesced) {
    EXPECT_EQ(bench.now(PLUGBAY_CLOCK_GUEST), 0u);
    bench.advance(5us);
    EXPECT_EQ(bench.now(PLUGBAY_CLOCK_GUEST), 0u);
    start();
    command(0, 100);
    command(1, 1000);
    bench.quiesce();
    const auto calendar = bench.now(PLUGBAY_CLOCK_CALENDAR);
    bench.advance(3500us);
    EXPECT_EQ(bench.now(PLUGBAY_CLOCK_GUEST), 0u);
    EXPECT_EQ(bench.now(PLUGBAY_CLOCK_CALENDAR), calendar + 3'500'000);
    EXPECT_THAT(lines(bench), ElementsAre("start"));
    bench.resume();
    const auto late = bench.now(PLUGBAY_CLOCK_HOST);
    bench.run(); // once for all periods missed
    EXPECT_THAT(lines(bench), ElementsAre("start", "resume", "timer 2 at " + std::to_string(late)));
    bench.advance(100us);
    EXPECT_EQ(last_line(bench), "timer 1 at 100000");
    bench.advance(400us); // the fourth period's end
    EXPECT_EQ(last_line(bench), "timer 2 at " + std::to_string(late + 500'000));
}

TEST_F(WithProbe, ReadyDescriptorsAreServed) {
    start();
    bench.run();
    EXPECT_EQ(lines(bench).size(), 1u);
    command(5, 0);
    command(5, 0);
    bench.run();
    EXPECT_THAT(lines(bench), ElementsAre("start", "fd 5 1 2"));
    EXPECT_TRUE(bench.run_until([] { return true; }));
    EXPECT_FALSE(bench.run_until([] { return false; }, 5ms));
}

TEST_F(WithProbe, StartNeedsThePeersThatAreNotOptional) {
    try {
        bench.start();
        FAIL();
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("needs one"));
    }
    start();
    EXPECT_TRUE(bench.running());
}

TEST_F(WithProbe, PendingQuiesceEndsWithTheLastRequest) {
    start();
    disk.hold(true);
    command(7, PLUGBAY_BLK_READ);
    command(7, PLUGBAY_BLK_WRITE);
    ASSERT_EQ(disk.held().size(), 2u);
    EXPECT_FALSE(bench.begin_quiesce());
    EXPECT_THAT(bench.quiesce_pending(), ElementsAre("probe"));
    EXPECT_THROW(bench.resume(), Error);
    disk.release(1);
    EXPECT_THAT(bench.quiesce_pending(), ElementsAre("probe"));
    disk.release(0);
    EXPECT_TRUE(bench.quiesce_pending().empty());
    EXPECT_THAT(lines(bench), Contains("completed 2 0"));
    bench.resume();
    EXPECT_EQ(last_line(bench), "resume");
}

TEST_F(WithProbe, QuiesceGivesUpInTime) {
    start();
    disk.hold(true);
    command(7, PLUGBAY_BLK_READ);
    EXPECT_THROW(bench.quiesce(20ms), Error);
    disk.hold(false);
    EXPECT_TRUE(bench.quiesce_pending().empty());
}

TEST_F(WithProbe, ResetReturnsToPowerOn) {
    const StateImage fresh = bench.save("probe");
    start();
    command(9, 42);
    command(0, 100);
    command(2, 1);
    bench.reset();
    EXPECT_TRUE(bench.running());
    EXPECT_EQ(bench.line(5), 0);
    bench.advance(1ms);
    EXPECT_THAT(lines(bench), ElementsAre("start", "resume"));
    bench.quiesce();
    EXPECT_EQ(bench.save("probe"), fresh);
}

TEST_F(WithProbe, DevicesComeAndGoWhileQuiesced) {
    start();
    EXPECT_THROW(bench.add(probe_file, "probe-disk", "late"), Error);
    bench.quiesce();
    bench.disconnect(disk);
    EXPECT_EQ(bench.remove("probe").total(), 0u);
    bench.add(probe_file, "probe", "again"); // everything the first one held is free
    bench.connect(disk, "again.disk");
    bench.resume();
    EXPECT_EQ(last_line(bench, "again"), "start");
}

TEST_F(WithProbe, ADeviceThatTakesOverIsResumedAndNotStarted) {
    bench.take_over("probe");
    start();
    EXPECT_THAT(lines(bench), ElementsAre("resume"));
    bench.quiesce();
    bench.add(probe_file, "probe", "late", {{"port", "0x600"}, {"address", "0xd0010000"}, {"line", "6"}});
    BlkPeer another;
    bench.connect(another, "late.disk");
    bench.take_over("late");
    bench.resume();
    EXPECT_THAT(lines(bench, "late"), ElementsAre("resume"));
    EXPECT_THROW(bench.take_over("probe"), Error); // it runs
}

TEST(Begin, TheGuestsClockAndRamMayBeginAsAnothers) {
    const UniqueFd ram(::memfd_create("ram", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(ram.get(), 3 << 20), 0);
    const std::array<char, 2> marks{'l', 'h'};
    ASSERT_EQ(::pwrite(ram.get(), marks.data(), 1, 4096), 1);
    ASSERT_EQ(::pwrite(ram.get(), marks.data() + 1, 1, 2 << 20), 1);
    Bench bench(
        {.memory = 2 << 20, .memory_above_4gb = 1 << 20, .guest_time = 500, .memory_file = ram.get()});
    bench.start();
    EXPECT_EQ(bench.now(PLUGBAY_CLOCK_GUEST), 500u);
    EXPECT_EQ(bench.read(4096, 1), 'l');
    EXPECT_EQ(bench.read(std::uint64_t{1} << 32, 1), 'h');
    bench.write(4096, 1, 'x');
    char still = 0;
    ASSERT_EQ(::pread(ram.get(), &still, 1, 4096), 1);
    EXPECT_EQ(still, 'l'); // the file is not the bench's
}

} // namespace
} // namespace plugbay::testkit
