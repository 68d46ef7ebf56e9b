// ConsolePeer as the screen and keyboard of an adapter. As an adapter it is tested with the plugins that are
// screens.
#include "probe_bench.hpp"

namespace plugbay::testkit {
namespace {

class Screen : public testing::Test {
  protected:
    Screen() {
        bench.add(probe_file, "probe-screen", "vga");
        bench.connect(viewer, "vga");
        bench.start();
    }
    void mode(std::uint32_t which) { bench.out(0x630, 4, which); }

    ConsolePeer viewer;
    Bench bench;
};

TEST_F(Screen, ShowsCells) {
    EXPECT_EQ(viewer.facts().flags, PLUGBAY_CONSOLE_HAS_SCREEN);
    viewer.refresh();
    EXPECT_FALSE(viewer.refreshing());
    EXPECT_EQ(viewer.mode().kind, PLUGBAY_CONSOLE_CELLS);
    EXPECT_EQ(viewer.row(0), "A");
    EXPECT_EQ(viewer.cell(0, 0).attributes, PLUGBAY_CELL_BLINK);
    EXPECT_EQ(viewer.cursor().y, 2u);
    viewer.refresh();
    EXPECT_EQ(viewer.shown_area(), 0u) << "nothing has changed";
    bench.out(0x634, 4, 'B');
    EXPECT_EQ(viewer.row(0), "A") << "nobody asked";
    viewer.refresh();
    EXPECT_EQ(viewer.row(0), "B");
    EXPECT_EQ(viewer.shown_area(), 1u);
}

TEST_F(Screen, ShowsPixelsFromAnywhere) {
    bench.out(0x634, 4, 0xf800);
    mode(1);
    viewer.refresh();
    EXPECT_EQ(viewer.pixel(0, 0), 0xff0000u); // copied, RGB565
    bench.store_object(0x10000 + 64 + 4, std::uint32_t{0x00123456});
    mode(2);
    viewer.refresh();
    EXPECT_EQ(viewer.pixel(1, 1), 0x123456u); // guest memory
    mode(3);
    viewer.refresh();
    EXPECT_EQ(viewer.pixel(0, 0), 0x00ff00u); // shared
    EXPECT_EQ(viewer.shown_area(), 32u);
    mode(4);
    viewer.refresh();
    EXPECT_EQ(viewer.mode().kind, PLUGBAY_CONSOLE_OFF);
}

TEST_F(Screen, MayRefuseAMode) {
    viewer.refuse(PLUGBAY_CONSOLE_PIXELS);
    viewer.refresh();
    mode(1);
    viewer.refresh();
    EXPECT_EQ(viewer.mode().kind, PLUGBAY_CONSOLE_CELLS);
}

TEST_F(Screen, TakesInput) {
    viewer.press(30);
    EXPECT_EQ(bench.in(0x630, 4), 30u);
    bench.out(0x638, 4, 1);
    const std::vector<plugbay_input_event> events(3, {PLUGBAY_INPUT_KEY, 31, 1});
    EXPECT_EQ(viewer.input(events), 1u);
    bench.out(0x638, 4, 8);
    EXPECT_GE(viewer.ready_calls(), 1u);
}

TEST_F(Screen, IsHeldToTheContract) {
    viewer.refresh();
    bench.out(0x638, 4, 0xbad00000);
    bench.out(0x634, 4, 'x');
    EXPECT_THROW(viewer.refresh(), ContractViolation); // outside
    bench.out(0x638, 4, 0);
    mode(0xbad00000); // shared, and free to shrink
    EXPECT_THROW(viewer.refresh(), ContractViolation);
}

} // namespace
} // namespace plugbay::testkit
