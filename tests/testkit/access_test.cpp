// Guest accesses, doorbells, lines, memory, and the two smallest shipped plugins.
#include "probe_bench.hpp"

namespace plugbay::testkit {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Debugcon, WritesReachThePeerAndReadsGiveTheSignature) {
    Bench bench;
    CharPeer console;
    bench.add(DEBUGCON, "debugcon", "console", {{"port", "0xe9"}, {"readback", "0x12"}});
    bench.connect(console, "console");
    bench.start();
    for (const char c : std::string("hello"))
        bench.out(0xe9, 1, static_cast<unsigned char>(c));
    EXPECT_EQ(console.take(), "hello");
    EXPECT_EQ(console.take(), "");
    EXPECT_EQ(bench.in(0xe9), 0x12u);
    console.set_room(0);
    bench.out(0xe9, 1, 'x');
    EXPECT_EQ(console.refused_bytes(), 1u);
    EXPECT_EQ(console.offer("dropped"), 7u);
}

TEST(DebugExit, AsksForTheExit) {
    Bench bench;
    bench.add(DEBUG_EXIT, "debug-exit", "exit");
    bench.start();
    bench.out(0xf4, 1, 7);
    const auto requests = bench.take_requests();
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_EQ(requests[0].request, PLUGBAY_REQUEST_EXIT);
    EXPECT_EQ(requests[0].argument, 7u);
    EXPECT_EQ(requests[0].device, "exit");
}

TEST(Access, NobodyThereReadsAllOnes) {
    Bench bench;
    bench.add(DEBUG_EXIT, "debug-exit", "exit");
    bench.start();
    EXPECT_EQ(bench.in(0x80, 1), 0xffu);
    EXPECT_EQ(bench.in(0x80, 4), 0xffffffffu);
    EXPECT_EQ(bench.read(0xf0000000, 8), ~std::uint64_t{0});
    bench.write(0xf0000000, 8, 1);
    // An access that passes the region's end is nobody's.
    EXPECT_EQ(bench.in(0xf4, 2), 0xffffu);
    bench.out(0xf4, 2, 1);
    EXPECT_TRUE(bench.requests().empty());
    EXPECT_THROW(bench.in(0xf4, 8), Error);
}

TEST(Access, NeedsARunningMachine) {
    Bench bench;
    bench.add(DEBUG_EXIT, "debug-exit", "exit");
    EXPECT_THROW(bench.in(0xf4), Error);
    bench.start();
    bench.quiesce();
    EXPECT_THROW(bench.in(0xf4), Error);
    bench.resume();
    EXPECT_EQ(bench.in(0xf4), 0u);
}

TEST(Access, OverlapIsRefusedAndNamesBoth) {
    Bench bench;
    bench.add(DEBUGCON, "debugcon", "first");
    const Outcome outcome = bench.try_add(DEBUGCON, "debugcon", "second");
    EXPECT_EQ(outcome.status, PLUGBAY_TAKEN);
    EXPECT_THAT(outcome.text, HasSubstr("\"first\""));
    EXPECT_THAT(outcome.text, HasSubstr("\"second\""));
    EXPECT_THROW((void)bench.device("second"), Error);
    bench.add(DEBUGCON, "debugcon", "second", {{"port", "0x403"}});
}

TEST(Access, NeverRam) {
    Bench bench;
    const Outcome outcome = bench.try_add(probe_file, "probe", "probe", {{"address", "0xfff000"}});
    EXPECT_EQ(outcome.status, PLUGBAY_TAKEN);
    EXPECT_THAT(outcome.text, HasSubstr("RAM"));
}

TEST_F(WithProbe, MemoryAccessesReachTheirRegion) {
    start();
    EXPECT_EQ(bench.read(0xd0000000, 8), 0x1122334455667788u);
    EXPECT_EQ(bench.read(0xd0000001, 1), 0x77u);
    EXPECT_EQ(bench.read(0xd0000ffe, 4), 0xffffffffu); // passes the end
    bench.write(0xd0000004, 2, 0xfffff);
    EXPECT_EQ(last_line(bench), "write 4 65535");
}

TEST_F(WithProbe, DoorbellsLatchUntilTheLoopRuns) {
    start();
    bench.write(0xd0000010, 4, 1);
    bench.write(0xd0000010, 4, 2);
    EXPECT_EQ(lines(bench).size(), 1u);
    bench.run();
    EXPECT_THAT(lines(bench), ElementsAre("start", "rung 77"));
    bench.write(0xd0000010, 2, 1); // another width: an ordinary write
    bench.write(0xd0000020, 2, 0xabcd);
    bench.write(0xd0000020, 2, 0xabce); // another value
    bench.run();
    EXPECT_THAT(lines(bench), ElementsAre("start", "rung 77", "write 16 1", "write 32 43982", "rung 78"));
}

TEST_F(WithProbe, DoorbellsAreHeldBackWhileQuiesced) {
    start();
    bench.write(0xd0000010, 4, 1);
    bench.quiesce();
    bench.run();
    EXPECT_THAT(lines(bench), testing::Not(Contains("rung 77")));
    bench.resume();
    bench.run();
    EXPECT_THAT(lines(bench), Contains("rung 77"));
}

TEST_F(WithProbe, LinesCountRisingEdges) {
    start();
    command(2, 1);
    command(2, 1);
    EXPECT_EQ(bench.line(5), 1);
    EXPECT_EQ(bench.edges(5), 1u);
    command(2, 0);
    EXPECT_EQ(bench.line(5), 0);
    command(2, 1);
    EXPECT_EQ(bench.edges(5), 2u);
    EXPECT_THROW((void)bench.line(24), std::out_of_range);
}

TEST(Lines, SharedOnesAreTheOrOfAllAndOthersAreExclusive) {
    Bench bench;
    BlkPeer disks[2];
    bench.add(probe_file, "probe", "a", {{"shared", "true"}});
    const Properties second{{"shared", "true"}, {"port", "0x510"}, {"address", "0xd1000000"}};
    bench.add(probe_file, "probe", "b", second);
    const Outcome refused =
        bench.try_add(probe_file, "probe", "c", {{"port", "0x520"}, {"address", "0xd2000000"}});
    EXPECT_EQ(refused.status, PLUGBAY_TAKEN);
    EXPECT_THAT(refused.text, HasSubstr("\"a\""));
    EXPECT_EQ(
        bench
            .try_add(probe_file, "probe", "c", {{"port", "0x520"}, {"address", "0xd2000000"}, {"line", "24"}})
            .status,
        PLUGBAY_INVALID);
    bench.connect(disks[0], "a.disk");
    bench.connect(disks[1], "b.disk");
    bench.start();
    bench.out(0x502, 1, 1);
    bench.out(0x512, 1, 1);
    bench.out(0x502, 1, 0);
    EXPECT_EQ(bench.line(5), 1);
    EXPECT_EQ(bench.edges(5), 1u);
    bench.quiesce();
    bench.disconnect("b.disk");
    bench.remove("b"); // takes its level along
    EXPECT_EQ(bench.line(5), 0);
}

TEST_F(WithProbe, DevicesReachMemory) {
    start();
    bench.store_object<std::uint64_t>(4096, 0x1234);
    command(4, 1);
    EXPECT_EQ(last_line(bench), "copied");
    EXPECT_EQ(bench.load_object<std::uint64_t>(4104), 0x1234u);
    command(4, 5000);
    EXPECT_EQ(last_line(bench), "not RAM");
    EXPECT_EQ(bench.read(4096, 2), 0x1234u);
    bench.write(4096, 1, 0x99);
    EXPECT_EQ(std::to_integer<int>(bench.memory()[4096]), 0x99);
    EXPECT_THROW(bench.store_object<std::uint32_t>(16 << 20, 1), Error);
}

TEST(Memory, TwoBlocks) {
    Bench bench({.memory = 1 << 20, .memory_above_4gb = 1 << 20});
    const std::uint64_t high = std::uint64_t{1} << 32;
    bench.store_object<std::uint32_t>(high + 8, 77);
    EXPECT_EQ(bench.load_object<std::uint32_t>(high + 8), 77u);
    EXPECT_THROW((void)bench.load_object<std::uint32_t>((1 << 20) - 2), Error);
    EXPECT_EQ(bench.memory().size(), 1u << 20);
}

TEST_F(WithProbe, RequestsAreRecorded) {
    start();
    command(3, PLUGBAY_REQUEST_RESET);
    command(3, PLUGBAY_REQUEST_POWER_OFF);
    ASSERT_EQ(bench.requests().size(), 2u);
    EXPECT_EQ(bench.requests()[0].request, PLUGBAY_REQUEST_RESET);
}

TEST(Properties, AreParsedByTheirDeclarations) {
    Bench bench;
    BlkPeer disk;
    const auto refused = [&](const Properties& properties) {
        return bench.try_add(probe_file, "probe", "bad", properties).text;
    };
    EXPECT_THAT(refused({{"por", "1"}}), HasSubstr("no property \"por\""));
    EXPECT_THAT(refused({{"port", "seven"}}), HasSubstr("\"seven\""));
    EXPECT_THAT(refused({{"port", "65536"}}), HasSubstr("out of range"));
    EXPECT_THAT(refused({{"shared", "yes"}}), HasSubstr("not a value"));
    EXPECT_THAT(refused({{"offset", "-11"}}), HasSubstr("out of range"));
    EXPECT_THAT(refused({{"size", "2M"}}), HasSubstr("out of range"));
    EXPECT_THAT(refused({{"size", "18446744073709551615K"}}), HasSubstr("not a value"));
    EXPECT_THAT(refused({{"label", "123456789"}}), HasSubstr("out of range"));
    EXPECT_THAT(refused({{"colour", "pink"}}), HasSubstr("not a value"));
    bench.add(probe_file, "probe", "probe",
              {{"offset", "-10"}, {"size", "8K"}, {"label", "ab"}, {"path", "/x"}, {"colour", "blue"}});
    bench.connect(disk, "probe.disk");
    bench.start();
    bench.out(0x508, 1, 0);
    EXPECT_EQ(last_line(bench), "ab /x -10 2");
    EXPECT_NE(bench.read(0xd0001000, 4), 0xffffffffu);
}

TEST(Benches, DoNotKnowOfEachOther) {
    Bench one, two;
    one.add(DEBUG_EXIT, "debug-exit", "exit");
    two.add(DEBUG_EXIT, "debug-exit", "exit");
    one.start();
    two.start();
    one.out(0xf4, 1, 1);
    EXPECT_EQ(one.requests().size(), 1u);
    EXPECT_TRUE(two.requests().empty());
}

} // namespace
} // namespace plugbay::testkit
