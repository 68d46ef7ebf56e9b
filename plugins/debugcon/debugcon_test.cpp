#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

#include <string>

using plugbay::testkit::Bench;
using plugbay::testkit::CharPeer;

TEST(Debugcon, WritesWhatTheGuestWrites) {
    CharPeer terminal;
    Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "debugcon", "console");
    bench.connect(terminal, "console");
    bench.start();
    std::string all;
    for (unsigned byte = 0; byte < 256; ++byte) {
        bench.out(0x402, 1, byte);
        all += static_cast<char>(byte);
    }
    EXPECT_EQ(terminal.take(), all);
}

TEST(Debugcon, ShowsThatItIsThere) {
    Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "debugcon", "console");
    bench.add(PLUGBAY_PLUGIN_FILE, "debugcon", "other", {{"port", "0xe9"}, {"readback", "0x42"}});
    bench.start();
    EXPECT_EQ(bench.in(0x402), 0xe9u);
    EXPECT_EQ(bench.in(0xe9), 0x42u);
    bench.out(0x402, 1, 'x'); // without a backend: into the void
}

TEST(Debugcon, LosesWhatTheBackendHasNoRoomFor) {
    CharPeer terminal;
    Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "debugcon", "console");
    bench.connect(terminal, "console");
    bench.start();
    terminal.set_room(2);
    for (const char letter : std::string("abcd"))
        bench.out(0x402, 1, static_cast<unsigned char>(letter));
    terminal.set_room(std::nullopt);
    bench.out(0x402, 1, 'e');
    EXPECT_EQ(terminal.take(), "abe");
}

TEST(Debugcon, DropsInput) {
    CharPeer terminal;
    Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "debugcon", "console");
    bench.connect(terminal, "console");
    bench.start();
    EXPECT_EQ(terminal.offer("anybody there?"), 14u);
    EXPECT_EQ(bench.in(0x402), 0xe9u);
}
