#include <plugbay/testkit/testkit.hpp>

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

namespace {

using namespace plugbay::testkit;
using testing::ElementsAre;
using testing::IsEmpty;

class DmaReverse : public testing::Test {
  protected:
    DmaReverse() {
        bench_.add(PLUGBAY_PLUGIN_FILE, "dma-reverse", "subject");
        bench_.start();
        registers_ = bench_.bar("subject", 0);
    }
    void start(std::uint64_t source, std::uint64_t target, std::uint32_t length) {
        bench_.store_object(descriptor, source);
        bench_.store_object(descriptor + 8, target);
        bench_.store_object(descriptor + 16, length);
        bench_.store_object(descriptor + 20, std::uint32_t{0});
        bench_.write(registers_ + 0x8, 8, descriptor);
        bench_.write(registers_ + 0x10, 4, 1);
        bench_.run();
    }
    [[nodiscard]] std::uint32_t status() { return bench_.load_object<std::uint32_t>(descriptor + 20); }

    static constexpr std::uint64_t descriptor = 0x1000;
    Bench bench_;
    std::uint64_t registers_ = 0;
};

TEST_F(DmaReverse, ReversesMoreThanAPiece) {
    std::string text;
    for (int i = 0; text.size() < 10'001; ++i)
        text += std::to_string(i);
    bench_.write_memory(0x10'0003, std::as_bytes(std::span(text)));
    bench_.enable_msix("subject");
    start(0x10'0003, 0x20'0001, static_cast<std::uint32_t>(text.size()));
    std::string reversed(text.size() + 1, '\0');
    bench_.read_memory(0x20'0001, std::as_writable_bytes(std::span(reversed)));
    std::reverse(text.begin(), text.end());
    EXPECT_EQ(reversed, text + '\0'); // and nothing behind it
    EXPECT_EQ(status(), 1u);
    EXPECT_THAT(bench_.take_msix("subject"), ElementsAre(0u));
}

TEST_F(DmaReverse, DrivesThePinUntilTheCauseIsRead) {
    const unsigned line = 16 + bench_.slot("subject") % 4;
    start(0x2000, 0x3000, 1);
    EXPECT_EQ(bench_.line(line), 1);
    EXPECT_EQ(bench_.read(registers_ + 0x14, 4), 1u);
    EXPECT_EQ(bench_.line(line), 0);
    EXPECT_EQ(bench_.read(registers_ + 0x14, 4), 0u);
}

TEST_F(DmaReverse, FailsOutsideOfMemoryAndWhereItIsTooLong) {
    for (const std::uint64_t address : {std::uint64_t{16} << 20, ~std::uint64_t{0} - 1}) {
        start(address, 0x3000, 16);
        EXPECT_EQ(status(), 2u);
        start(0x3000, address, 16);
        EXPECT_EQ(status(), 2u);
    }
    start(0x2000, 0x3000, (1 << 20) + 1);
    EXPECT_EQ(status(), 2u);
}

TEST_F(DmaReverse, SaysSoWhereThereIsNoDescriptor) {
    bench_.enable_msix("subject");
    bench_.write(registers_ + 0x8, 8, ~std::uint64_t{0});
    bench_.write(registers_ + 0x10, 4, 1);
    EXPECT_THAT(bench_.take_msix("subject"), IsEmpty()); // it is a doorbell: not before the I/O loop
    bench_.run();
    EXPECT_THAT(bench_.take_msix("subject"), ElementsAre(1u));
}

} // namespace
