#include <plugbay/testkit/testkit.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace testkit = plugbay::testkit;

TEST(CharNull, TakesEverything) {
    testkit::Bench bench;
    testkit::CharPeer serial;
    bench.add(PLUGBAY_PLUGIN_FILE, "char-null", "null");
    bench.connect(serial, "null");
    bench.start();
    EXPECT_EQ(serial.offer(std::string(1 << 20, 'x')), 1u << 20);
    EXPECT_EQ(serial.text(), "");
}

namespace {

struct Disk {
    explicit Disk(const testkit::Properties& properties) {
        bench.add(PLUGBAY_PLUGIN_FILE, "disk-null", "disk", properties);
        bench.connect(frontend, "disk");
        bench.start();
    }
    testkit::Bench bench;
    testkit::BlkPeer frontend;
};

} // namespace

TEST(DiskNull, ReadsZerosAndForgetsWrites) {
    Disk disk(testkit::Properties{{"capacity", "1T"}});
    EXPECT_EQ(disk.frontend.facts().capacity, std::uint64_t{1} << 40);
    disk.bench.store_object(0x10000, ~std::uint64_t{0});
    disk.bench.store_object(0x10000 + 199992, ~std::uint64_t{0});
    disk.bench.store_object(0x10000 + 200192, std::uint8_t{7});
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE, 512, 512, 0x10000), PLUGBAY_OK);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 512, 200192, 0x10000), PLUGBAY_OK);
    EXPECT_EQ(disk.bench.load_object<std::uint64_t>(0x10000), 0u);
    EXPECT_EQ(disk.bench.load_object<std::uint64_t>(0x10000 + 199992), 0u);
    EXPECT_EQ(disk.bench.load_object<std::uint8_t>(0x10000 + 200192), 7u);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_FLUSH, 0, 0), PLUGBAY_OK);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_DISCARD, 0, std::uint64_t{1} << 40), PLUGBAY_OK);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE_ZEROES, 0, 512), PLUGBAY_OK);
}

TEST(DiskNull, ChecksRequests) {
    Disk disk(testkit::Properties{{"capacity", "1M"}, {"read_only", "true"}});
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 1 << 20, 512, 0x10000), PLUGBAY_INVALID);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, ~std::uint64_t{511}, 1024, 0x10000), PLUGBAY_INVALID);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_READ, 0, 512, 0x70000000), PLUGBAY_INVALID);
    EXPECT_EQ(disk.frontend.execute(PLUGBAY_BLK_WRITE, 0, 512, 0x10000), PLUGBAY_INVALID);
    EXPECT_EQ(disk.frontend.execute(99, 0, 512), PLUGBAY_INVALID);
    Disk writable(testkit::Properties{{"capacity", "1M"}});
    EXPECT_EQ(writable.frontend.execute(99, 0, 512), PLUGBAY_UNSUPPORTED);
    testkit::Bench bench;
    EXPECT_THAT(bench.try_add(PLUGBAY_PLUGIN_FILE, "disk-null", "disk", {{"capacity", "1000"}}).text,
                testing::HasSubstr("multiple of 512"));
}

TEST(NetNull, DropsFrames) {
    testkit::Bench bench;
    testkit::NetPeer card;
    bench.add(PLUGBAY_PLUGIN_FILE, "net-null", "net");
    bench.connect(card, "net");
    bench.start();
    EXPECT_EQ(card.facts().flags, PLUGBAY_NET_LINK_UP);
    card.configure(PLUGBAY_NET_CAN_CHECKSUM, 1518);
    testkit::NetFrame large{std::vector<std::uint8_t>(60000, 1), {}, {}};
    large.offload.flags = PLUGBAY_NET_NEEDS_CHECKSUM;
    large.offload.segmentation = PLUGBAY_NET_SEGMENT_TCP4;
    card.send(large);
    card.send({{}, {}, {{0x1000, 14}, {0x2000, 46}}});
    card.send({std::vector<std::uint8_t>(13, 1), {}, {}}); // no frame
    EXPECT_THAT(card.take_completions(), testing::ElementsAre(PLUGBAY_OK, PLUGBAY_OK, PLUGBAY_INVALID));
    EXPECT_EQ(card.in_flight(), 0u);
    EXPECT_TRUE(card.take_frames().empty());
}

TEST(NetNull, MayHaveNoLink) {
    testkit::Bench bench;
    testkit::NetPeer card;
    bench.add(PLUGBAY_PLUGIN_FILE, "net-null", "net", {{"link", "false"}});
    bench.connect(card, "net");
    bench.start();
    EXPECT_EQ(card.facts().flags, 0u);
}

TEST(ConsoleNull, NeverAsks) {
    testkit::Bench bench;
    testkit::ConsolePeer adapter;
    bench.add(PLUGBAY_PLUGIN_FILE, "console-null", "screen");
    bench.connect(adapter, "screen");
    adapter.resize(80, 25);
    bench.start();
    adapter.print(0, "hello");
    bench.advance(std::chrono::seconds(10));
    EXPECT_EQ(adapter.refreshes(), 0u);
    EXPECT_TRUE(adapter.take_input().empty());
}
