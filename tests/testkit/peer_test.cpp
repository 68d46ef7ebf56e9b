// Links between devices, and the fakes.
#include "probe_bench.hpp"

namespace plugbay::testkit {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(WithProbe, OptionsReachTheFrontend) {
    CharPeer console;
    bench.connect(console, "probe", {{"priority", "9"}});
    EXPECT_EQ(last_line(bench), "connected with priority 9");
    EXPECT_EQ(bench.try_connect(console, "probe").status, PLUGBAY_TAKEN);
    bench.disconnect("probe");
    EXPECT_FALSE(console.connected());
    const Outcome unlucky = bench.try_connect(console, "probe", {{"priority", "13"}});
    EXPECT_THAT(unlucky.text, HasSubstr("unlucky"));
    EXPECT_FALSE(console.connected());
    EXPECT_EQ(bench.try_connect(console, "probe", {{"colour", "red"}}).status, PLUGBAY_NOT_FOUND);
    EXPECT_EQ(bench.try_connect(console, "nobody").status, PLUGBAY_NOT_FOUND);
    bench.connect(console, "probe");
    EXPECT_EQ(last_line(bench), "connected with priority 7");
}

TEST_F(WithProbe, CharPeerAsBackend) {
    CharPeer console;
    bench.connect(console, "probe");
    start();
    EXPECT_EQ(console.offer("abcdef"), 4u); // what the probe takes at once
    console.send("xy");
    EXPECT_EQ(console.unsent(), 0u);
    console.send("123456");
    EXPECT_EQ(console.unsent(), 2u);
    console.event(PLUGBAY_CHAR_BREAK);
    EXPECT_EQ(last_line(bench), "event 3");
    command(6, 'A');
    console.set_room(1);
    command(6, 'B');
    command(6, 'C');
    EXPECT_EQ(console.text(), "AB");
    EXPECT_EQ(last_line(bench), "refused");
    console.set_room(std::nullopt);
    EXPECT_EQ(last_line(bench), "write ready");
}

TEST(Links, CharPeerAsFrontend) {
    Bench bench;
    CharPeer serial;
    bench.add(probe_file, "probe-echo", "echo");
    bench.connect(serial, "echo");
    EXPECT_THAT(serial.take_events(), ElementsAre(PLUGBAY_CHAR_OPENED));
    bench.start();
    EXPECT_EQ(serial.offer("echo"), 4u);
    EXPECT_EQ(serial.take(), "echo");
    serial.set_room(2);
    serial.send("long");
    EXPECT_EQ(serial.take(), "lo");
    EXPECT_EQ(serial.unsent(), 2u);
    serial.set_room(std::nullopt);
    EXPECT_EQ(serial.take(), "ng");
    EXPECT_EQ(serial.ready_calls(), 1u);
}

TEST_F(WithProbe, ACharPeerAnswersFromInsideTheCallThatAsks) {
    Bench echoing;
    CharPeer serial;
    echoing.add(probe_file, "probe-echo", "echo");
    echoing.connect(serial, "echo");
    echoing.start();
    serial.answer_once("?");
    EXPECT_EQ(serial.offer("ab"), 2u); // not with the answer's
    EXPECT_EQ(serial.take(), "ab?");
    EXPECT_EQ(serial.offer("c"), 1u);
    EXPECT_EQ(serial.take(), "c");

    CharPeer console;
    bench.connect(console, "probe");
    start();
    console.answer_once("123456");
    console.answer_once("");
    command(6, 'A');
    EXPECT_EQ(console.unsent(), 0u);
    console.answer_once("123456");
    command(6, 'B');
    EXPECT_EQ(console.unsent(), 2u); // what the probe did not take is sent when it asks
}

TEST_F(WithProbe, DevicesReachEachOther) {
    bench.add(probe_file, "probe-echo", "echo");
    bench.add(probe_file, "probe-disk", "store");
    bench.connect("echo", "probe", {{"priority", "1"}});
    bench.connect("store", "probe.disk");
    EXPECT_EQ(last_line(bench), "event 1");
    EXPECT_THROW(bench.connect("store", "probe.disk"), Error);
    EXPECT_THROW(bench.connect("echo", "probe.disk"), Error);
    bench.start();
    command(7, PLUGBAY_BLK_READ);
    bench.run();
    EXPECT_EQ(last_line(bench), "completed 1 0");
    EXPECT_EQ(bench.load_object<std::uint8_t>(0x2000 + 511), 0x5a);
    EXPECT_THROW(bench.disconnect("probe"), Error); // running
}

TEST_F(WithProbe, BlkPeerAsBackend) {
    start();
    disk.contents()[0] = std::byte{0x77};
    command(7, PLUGBAY_BLK_READ);
    EXPECT_EQ(bench.load_object<std::uint8_t>(0x2000), 0x77);
    bench.store_object<std::uint8_t>(0x2000, 0x66);
    command(7, PLUGBAY_BLK_WRITE);
    EXPECT_EQ(std::to_integer<int>(disk.contents()[0]), 0x66);
    disk.fail_next(PLUGBAY_FAILED);
    command(7, PLUGBAY_BLK_WRITE);
    EXPECT_EQ(last_line(bench), "completed 3 -1");
    disk.change({.capacity = 0});
    command(7, PLUGBAY_BLK_READ);
    EXPECT_EQ(last_line(bench), "completed 4 -2"); // outside the disk now
    EXPECT_EQ(disk.requests().size(), 4u);
    disk.hold(true);
    command(7, PLUGBAY_BLK_FLUSH);
    command(7, PLUGBAY_BLK_FLUSH);
    disk.release(1);
    EXPECT_EQ(last_line(bench), "completed 6 0");
    disk.release_all();
    EXPECT_EQ(last_line(bench), "completed 5 0");
    EXPECT_THROW(disk.release(0), Error);
}

TEST(Links, BlkPeerAsFrontend) {
    Bench bench;
    BlkPeer front;
    bench.add(probe_file, "probe-disk", "store");
    bench.connect(front, "store");
    bench.start();
    EXPECT_EQ(front.facts().capacity, 65536u);
    front.submit({.tag = 1, .operation = PLUGBAY_BLK_READ, .length = 512, .segments = {{0x3000, 512}}});
    front.submit({.tag = 2, .operation = PLUGBAY_BLK_FLUSH});
    EXPECT_THROW(front.submit(BlkRequest{.tag = 2}), Error);
    EXPECT_EQ(front.in_flight(), 2u);
    bench.run();
    const auto completions = front.take_completions();
    ASSERT_EQ(completions.size(), 2u);
    EXPECT_EQ(completions[1].status, PLUGBAY_UNSUPPORTED);
    EXPECT_EQ(front.execute(PLUGBAY_BLK_READ, 0, 512, 0x4000), PLUGBAY_OK);
    EXPECT_EQ(bench.load_object<std::uint8_t>(0x4000), 0x5a);
    EXPECT_EQ(front.execute(PLUGBAY_BLK_READ, 0, 512, std::uint64_t{1} << 40), PLUGBAY_INVALID);
}

TEST(Links, RequestsOfASubmitThatThrowsAreCompletedWithAnError) {
    Bench bench;
    BlkPeer front;
    bench.add(probe_file, "probe-disk", "store");
    bench.connect(front, "store");
    bench.start();
    const std::array requests{BlkRequest{.tag = 1, .operation = PLUGBAY_BLK_FLUSH},
                              BlkRequest{.tag = 2, .operation = PLUGBAY_BLK_DISCARD}};
    front.submit(requests);
    EXPECT_EQ(last_line(bench, "store"), "nothing is discarded here");
    EXPECT_EQ(front.in_flight(), 0u);
    const auto completions = front.take_completions();
    ASSERT_EQ(completions.size(), 2u);
    for (const auto& each : completions)
        EXPECT_EQ(each.status, PLUGBAY_FAILED) << each.tag;
    EXPECT_EQ(front.execute(PLUGBAY_BLK_READ, 0, 512, 0x4000), PLUGBAY_OK);
}

TEST(Links, AFakeMayDieFirst) {
    Bench bench;
    {
        BlkPeer front;
        bench.add(probe_file, "probe-disk", "store");
        bench.connect(front, "store");
        bench.start();
        front.submit({.tag = 1, .operation = PLUGBAY_BLK_FLUSH});
    }
    EXPECT_FALSE(bench.running());
    bench.resume();
    bench.run();
}

} // namespace
} // namespace plugbay::testkit
