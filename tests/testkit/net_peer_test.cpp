// NetPeer as the wire of a card. As a card it is tested with the plugins that are wires.
#include "probe_bench.hpp"

namespace plugbay::testkit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Nic : public testing::Test {
  protected:
    Nic() {
        bench.add(probe_file, "probe-nic", "nic");
        bench.connect(wire, "nic", {{"mac", "52:54:00:ab:cd:ef"}});
        bench.start();
    }
    void transmit(std::uint32_t length) { bench.out(0x620, 4, length); }
    plugbay_status status() { return static_cast<plugbay_status>(bench.in(0x620, 4)); }

    NetPeer wire;
    Bench bench;
};

TEST_F(Nic, TransmitsGuestMemory) {
    EXPECT_EQ(last_line(bench, "nic"), "mac ends in 239");
    for (unsigned i = 0; i < 64; ++i)
        bench.memory()[0x1000 + i] = static_cast<std::byte>(i);
    transmit(64);
    const auto frames = wire.take_frames();
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(frames[0].bytes.size(), 64u);
    EXPECT_EQ(frames[0].bytes[63], 63);
    EXPECT_EQ(status(), PLUGBAY_OK);
    bench.out(0x624, 4, 1 << 16);
    transmit(20);
    EXPECT_EQ(wire.take_frames().at(0).bytes, std::vector<std::uint8_t>(20, 0x77));
}

TEST_F(Nic, CompletesLaterIfHeld) {
    wire.hold(true);
    transmit(64);
    EXPECT_EQ(status(), PLUGBAY_PENDING);
    bench.memory()[0x1000] = std::byte{9}; // still the guest's
    EXPECT_EQ(wire.held(), 1u);
    wire.release_all();
    EXPECT_EQ(status(), PLUGBAY_OK);
    EXPECT_EQ(wire.take_frames().at(0).bytes[0], 9);
}

TEST_F(Nic, PushesBackBothWays) {
    wire.set_room(0);
    transmit(64);
    EXPECT_EQ(bench.in(0x624, 4), 0u);
    wire.set_room(std::nullopt);
    EXPECT_EQ(last_line(bench, "nic"), "transmit ready");

    const NetFrame frame{std::vector<std::uint8_t>(60, 0x33), {}, {}};
    EXPECT_TRUE(wire.offer(frame));
    EXPECT_EQ(bench.load_object<std::uint8_t>(0x8000 + 59), 0x33);
    wire.send(frame);
    wire.send(frame);
    EXPECT_EQ(wire.unsent(), 2u);
    bench.out(0x628, 4, 2);
    EXPECT_EQ(wire.unsent(), 0u);
    EXPECT_EQ(bench.in(0x628, 4), 60u);
}

TEST_F(Nic, HearsOfTheLink) {
    wire.change(0, 0);
    EXPECT_EQ(last_line(bench, "nic"), "link down");
    wire.change(PLUGBAY_NET_LINK_UP, PLUGBAY_NET_CAN_CHECKSUM);
    EXPECT_EQ(last_line(bench, "nic"), "link up");
    bench.out(0x624, 4, PLUGBAY_NET_NEEDS_CHECKSUM);
    EXPECT_EQ(wire.receiver().offloads, PLUGBAY_NET_CAN_CHECKSUM);
    transmit(64);
    EXPECT_EQ(wire.take_frames().at(0).offload.flags, PLUGBAY_NET_NEEDS_CHECKSUM);
}

TEST_F(Nic, IsHeldToTheContract) {
    EXPECT_THROW(transmit(0xbad00000 + 13), ContractViolation);
    EXPECT_THROW(transmit(0xbad00000 + PLUGBAY_NET_LONGEST_FRAME + 1), ContractViolation);
    bench.out(0x624, 4, PLUGBAY_NET_NEEDS_CHECKSUM);
    EXPECT_THROW(transmit(0xbad00000 + 64), ContractViolation); // nobody said that we take it
    bench.out(0x624, 4, 1 << 17);
    EXPECT_THROW(transmit(0xbad00000 + 64), ContractViolation); // segments at NULL
}

TEST(NetPeer, RefusesAnAddressThatIsNone) {
    Bench bench;
    NetPeer wire;
    bench.add(probe_file, "probe-nic", "nic");
    EXPECT_THAT(bench.try_connect(wire, "nic", {{"mac", "52:54:00:12:34"}}).text, HasSubstr("say six bytes"));
    EXPECT_THAT(bench.try_connect(wire, "nic", {{"mac", "53:54:00:12:34:56"}}).text, HasSubstr("group"));
    EXPECT_THAT(bench.try_connect(wire, "nic", {{"mac", "52:54:00:12:34:5g"}}).text,
                HasSubstr("say six bytes"));
    EXPECT_TRUE(bench.try_connect(wire, "nic"));
}

} // namespace
} // namespace plugbay::testkit
