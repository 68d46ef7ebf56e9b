#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

using namespace std::chrono_literals;

TEST(Metronome, TicksAndCarriesOn) {
    plugbay::testkit::Bench bench;
    plugbay::testkit::CharPeer listener;
    bench.add(PLUGBAY_PLUGIN_FILE, "metronome", "beat", {{"period", "100"}});
    bench.connect(listener, "beat");
    bench.start();
    bench.out(0x5e0, 4, 1);
    bench.advance(250ms);
    EXPECT_EQ(bench.in(0x5e0, 4), 2u);
    EXPECT_EQ(bench.edges(10), 2u);
    EXPECT_EQ(listener.take(), "tick\ntick\n");

    bench.quiesce(); // save, change, load: as if nothing had happened
    const auto image = bench.save("beat");
    bench.resume();
    bench.out(0x5e4, 4, 0);
    bench.run(); // doorbells ring on the I/O loop
    EXPECT_EQ(bench.in(0x5e0, 4), 0u);
    bench.quiesce();
    bench.load("beat", image);
    bench.resume();
    bench.advance(50ms);
    EXPECT_EQ(bench.in(0x5e0, 4), 3u);
}

TEST(Metronome, StopsAndStandsStillOverAReset) {
    plugbay::testkit::Bench bench; // nobody listens: the port is optional
    bench.add(PLUGBAY_PLUGIN_FILE, "metronome", "beat", {{"period", "100"}, {"irq", "5"}});
    bench.start();
    bench.out(0x5e0, 4, 1);
    bench.advance(100ms);
    bench.out(0x5e0, 4, 0);
    bench.advance(1s);
    EXPECT_EQ(bench.in(0x5e0, 4), 1u);

    bench.out(0x5e0, 4, 1);
    bench.reset();
    bench.advance(1s);
    EXPECT_EQ(bench.in(0x5e0, 4), 0u);
    EXPECT_EQ(bench.edges(5), 1u);
}
