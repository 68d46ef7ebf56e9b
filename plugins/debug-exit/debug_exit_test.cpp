#include <plugbay/testkit/testkit.hpp>

#include <gtest/gtest.h>

using plugbay::testkit::Bench;

TEST(DebugExit, EndsTheMonitorWithTheWrittenStatus) {
    for (unsigned status = 0; status < 256; ++status) {
        Bench bench;
        bench.add(PLUGBAY_PLUGIN_FILE, "debug-exit", "exit");
        bench.start();
        bench.out(0xf4, 1, status);
        ASSERT_EQ(bench.requests().size(), 1u);
        EXPECT_EQ(bench.requests().front().request, PLUGBAY_REQUEST_EXIT);
        EXPECT_EQ(bench.requests().front().argument, status);
    }
}

TEST(DebugExit, SitsWhereItIsTold) {
    Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "debug-exit", "exit", {{"port", "0x501"}});
    bench.start();
    bench.out(0xf4, 1, 1);
    EXPECT_TRUE(bench.requests().empty());
    bench.out(0x501, 1, 1);
    EXPECT_EQ(bench.requests().size(), 1u);
}

TEST(DebugExit, ReadsZeroAndIgnoresWideAccesses) {
    Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "debug-exit", "exit");
    bench.start();
    EXPECT_EQ(bench.in(0xf4), 0u);
    bench.out(0xf4, 2, 7);
    bench.out(0xf4, 4, 7);
    EXPECT_TRUE(bench.requests().empty());
    bench.reset();
}
