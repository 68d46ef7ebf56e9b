// Memory that devices show or watch, their workers, and host events.
#include "probe_bench.hpp"

namespace plugbay::testkit {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t number = 0x1122334455667788;

TEST(MemoryHooks, RegionsAreMemory) {
    Bench bench;
    bench.add(probe_file, "probe-region", "ram", {{"track", "true"}});
    bench.add(probe_file, "probe-region", "rom",
              {{"kind", "2"}, {"address", "0xd4010000"}, {"port", "0x524"}});
    bench.add(probe_file, "probe-region", "hook",
              {{"kind", "3"}, {"address", "0xd4020000"}, {"port", "0x528"}});
    bench.start();
    for (const std::uint64_t address : {0xd4000000u, 0xd4010000u, 0xd4020000u}) {
        EXPECT_EQ(bench.read(address, 8), number);
        bench.write(address + 0x1ffe, 2, 41);
    }
    EXPECT_EQ(bench.read(0xd4001ffe, 2), 41u);
    EXPECT_EQ(bench.read(0xd4011ffe, 2), 0u);
    EXPECT_EQ(bench.read(0xd4021ffe, 2), 42u);
    bench.write(0xd4002ffe, 4, 1);
    EXPECT_EQ(bench.in(0x520, 4), 3u);
    EXPECT_EQ(bench.in(0x520, 4), 0u);
    EXPECT_EQ(bench.read(0xd4030000, 4), 0xffffffffu);
    bench.quiesce();
    EXPECT_EQ(bench.remove("ram").total(), 0u);
}

TEST(MemoryHooks, RegionsHaveTheirAddressesAlone) {
    Bench bench;
    bench.add(probe_file, "probe-region", "one");
    const Outcome taken =
        bench.try_add(probe_file, "probe-region", "two", {{"address", "0xd400f000"}, {"port", "1"}});
    EXPECT_EQ(taken.status, PLUGBAY_TAKEN);
    EXPECT_THAT(taken.text, AllOf(HasSubstr("\"one\""), HasSubstr("\"two\"")));
    EXPECT_EQ(bench.try_add(probe_file, "probe-region", "x", {{"address", "0x1000"}}).status, PLUGBAY_TAKEN);
    EXPECT_EQ(bench.try_add(probe_file, "probe-region", "x", {{"address", "0xd5000800"}}).status,
              PLUGBAY_INVALID);
    EXPECT_EQ(bench.try_add(probe_file, "probe", "x", {{"address", "0xd4000000"}}).status, PLUGBAY_TAKEN);
}

TEST(MemoryHooks, WatchedRamComesToItsDevice) {
    Bench bench;
    bench.add(probe_file, "probe-watch", "writes");
    bench.add(probe_file, "probe-watch", "all", {{"what", "2"}, {"address", "0x500000"}});
    EXPECT_EQ(bench.try_add(probe_file, "probe-watch", "x", {{"address", "0x401000"}}).status, PLUGBAY_TAKEN);
    EXPECT_EQ(bench.try_add(probe_file, "probe-watch", "x", {{"address", "0xfff000"}}).status,
              PLUGBAY_INVALID);
    bench.start();
    for (const std::uint64_t address : {0x400008u, 0x500008u}) {
        bench.write(address, 4, 0x0f0f0f0f);
        EXPECT_EQ(bench.load_object<std::uint32_t>(address), 0xf0f0f0f0u);
    }
    EXPECT_EQ(bench.read(0x400008, 4), 0xf0f0f0f0u);
    EXPECT_EQ(bench.read(0x500008, 4), 0x5a5a5a5au);
    bench.write(0x402000, 4, 7);
    EXPECT_EQ(bench.read(0x402000, 4), 7u);
    bench.quiesce();
    EXPECT_EQ(bench.remove("writes").total(), 0u);
    bench.resume();
    bench.write(0x400008, 4, 5);
    EXPECT_EQ(bench.read(0x400008, 4), 5u);
}

TEST(Workers, WorkAndThenAreDone) {
    Bench bench;
    bench.add(probe_file, "probe-worker", "w");
    bench.start();
    for (unsigned i = 1; i <= 9; ++i)
        bench.out(0x530, 4, i);
    EXPECT_THAT(lines(bench, "w"), ElementsAre("full")); // the ninth
    EXPECT_EQ(bench.in(0x530, 4), 0u);
    bench.run();
    EXPECT_EQ(bench.in(0x530, 4), 36u);
    bench.out(0x530, 4, 64);
    bench.quiesce();
    bench.resume();
    bench.run();
    EXPECT_EQ(bench.in(0x530, 4), 100u);
    bench.quiesce();
    EXPECT_EQ(bench.remove("w").total(), 0u);
}

TEST(HostEventHooks, AreHeardByWhoSubscribed) {
    Bench bench;
    bench.add(probe_file, "probe-events", "e");
    bench.start();
    bench.out(0x540, 4, 30);
    EXPECT_EQ(bench.in(0x540, 4), 0u);
    bench.run();
    EXPECT_EQ(bench.in(0x540, 4), 30u);
    bench.publish({PLUGBAY_EVENT_TICK, 1, 1, 0, 0, 0});
    for (int i = 0; i < 258; ++i)
        bench.publish({PLUGBAY_EVENT_MOVE, 0, i, -i, 0, 0});
    bench.run();
    const auto heard = lines(bench, "e");
    ASSERT_EQ(heard.size(), 257u);
    EXPECT_EQ(heard[1], "4:4,0,2,-2,2");
    EXPECT_EQ(heard[256], "4:4,0,257,-257,0");
    bench.quiesce();
    EXPECT_EQ(bench.remove("e").total(), 0u);
}

} // namespace
} // namespace plugbay::testkit
