#include "core/pci/msix_table.hpp"

#include "tests/unit/device/fake_platform.hpp"

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

class MsixTableTest : public ::testing::Test {
  protected:
    void program(std::uint32_t vector, std::uint32_t data, bool masked) {
        table.write(16 * vector, 8, 0xfee0'0000);
        table.write(16 * vector + 8, 4, data);
        table.write(16 * vector + 12, 4, masked ? 1 : 0);
    }
    [[nodiscard]] bool pending(std::uint32_t vector) {
        return (table.read(table.pending_offset(), 8) >> vector & 1) != 0;
    }
    [[nodiscard]] std::vector<std::uint32_t> fired() const {
        std::vector<std::uint32_t> data;
        for (const auto& message : platform.messages())
            data.push_back(message.data);
        return data;
    }
    FakePlatform platform;
    std::shared_ptr<SharedCounter> sent = std::make_shared<SharedCounter>();
    MsixTable table{platform, 3, "nic", sent};
};

TEST_F(MsixTableTest, OnlyAlignedDoublewordsAndQuadwordsAreWritten) {
    struct Case {
        std::uint64_t offset;
        std::uint32_t width;
        bool taken;
    };
    for (const auto& [offset, width, taken] :
         {Case{0, 4, true}, Case{4, 4, true}, Case{0, 8, true}, Case{8, 8, true}, Case{0, 1, false},
          Case{0, 2, false}, Case{2, 4, false}, Case{4, 8, false}, Case{1, 1, false}}) {
        SCOPED_TRACE(::testing::Message() << offset << " width " << width);
        table.reset();
        table.write(offset, width, 0x5555'5550'5555'5550);
        const bool changed = table.read(0, 8) != 0 || table.read(8, 4) != 0;
        EXPECT_EQ(changed, taken);
    }
}

TEST_F(MsixTableTest, ReadsOfEveryWidth) {
    table.write(0, 8, 0x8877'6655'4433'2211);
    EXPECT_EQ(table.read(0, 8), 0x8877'6655'4433'2211U);
    EXPECT_EQ(table.read(4, 4), 0x8877'6655U);
    EXPECT_EQ(table.read(2, 2), 0x4433U);
    EXPECT_EQ(table.read(7, 1), 0x88U);
    EXPECT_EQ(table.read(12, 4), 1U) << "masked after power-on";
    table.write(12, 4, ~0U);
    EXPECT_EQ(table.read(12, 4), 1U) << "reserved bits stay clear";
    EXPECT_EQ(table.read(48, 8), 0U) << "past the table";
    table.write(48, 8, ~0ULL);
    EXPECT_EQ(table.read(48, 8), 0U);
    EXPECT_EQ(table.read(table.bar_length() - 8, 8), 0U);
}

TEST_F(MsixTableTest, BarHoldsTableAndPendingBits) {
    for (const auto& [vectors, length] :
         {std::pair{1U, 4096U}, {128U, 4096U}, {129U, 8192U}, {2048U, 65536U}}) {
        const MsixTable other(platform, vectors, "x", sent);
        EXPECT_EQ(other.bar_length(), length);
        EXPECT_GE(other.pending_offset(), vectors * 16);
        EXPECT_LE(other.pending_offset() + vectors / 8, other.bar_length());
    }
}

TEST_F(MsixTableTest, OffMeansNotDelivered) {
    program(0, 40, false);
    EXPECT_FALSE(table.notify(0));
    table.set_control(true, false);
    EXPECT_TRUE(table.notify(0));
    EXPECT_EQ(fired(), std::vector<std::uint32_t>{40});
    EXPECT_EQ(platform.messages()[0].address, 0xfee0'0000U);
    EXPECT_TRUE(table.notify(3)) << "no such vector: the driver wants no interrupt";
    EXPECT_TRUE(table.notify(0xffff));
    EXPECT_EQ(fired().size(), 1U);
}

TEST_F(MsixTableTest, MaskedVectorBecomesPendingAndIsDeliveredOnce) {
    table.set_control(true, false);
    program(1, 41, true);
    EXPECT_TRUE(table.notify(1));
    EXPECT_TRUE(table.notify(1));
    EXPECT_TRUE(pending(1));
    EXPECT_FALSE(pending(0));
    EXPECT_TRUE(fired().empty());
    table.write(16 + 12, 4, 0);
    EXPECT_EQ(fired(), std::vector<std::uint32_t>{41});
    EXPECT_FALSE(pending(1));
    table.write(16 + 12, 4, 1);
    table.write(16 + 12, 4, 0);
    EXPECT_EQ(fired().size(), 1U);
}

TEST_F(MsixTableTest, FunctionMaskHoldsAllBack) {
    program(0, 40, false);
    program(2, 42, false);
    table.set_control(true, true);
    EXPECT_TRUE(table.notify(2));
    EXPECT_TRUE(table.notify(0));
    EXPECT_EQ(table.read(table.pending_offset(), 4), 0b101U);
    table.set_control(true, false);
    EXPECT_EQ(fired(), (std::vector<std::uint32_t>{40, 42}));
    EXPECT_EQ(table.read(table.pending_offset(), 4), 0U);
}

TEST_F(MsixTableTest, NewMessageIsUsedFromThenOn) {
    table.set_control(true, false);
    program(0, 40, false);
    EXPECT_TRUE(table.notify(0));
    table.write(8, 4, 50);
    EXPECT_TRUE(table.notify(0));
    EXPECT_EQ(fired(), (std::vector<std::uint32_t>{40, 50}));
    EXPECT_EQ(platform.vectors(), 1) << "only for what was unmasked";
    table.reset();
    EXPECT_EQ(platform.vectors(), 0);
    EXPECT_FALSE(table.notify(0));
    EXPECT_EQ(table.read(12, 4), 1U);
}

} // namespace
} // namespace plugbay::core
