#include "core/debug/page_walk.hpp"

#include "core/memory/guest_memory.hpp"

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

class PageWalk : public ::testing::Test {
  protected:
    template <typename Entry>
    void set(std::uint64_t address, Entry entry) {
        EXPECT_TRUE(memory_->write(address, std::as_bytes(std::span(&entry, 1))));
    }
    std::optional<std::uint64_t> walk(std::uint64_t linear) {
        return walk_page_tables(*memory_, registers_, linear);
    }
    void long_mode(std::uint64_t cr3, std::uint64_t cr4) {
        registers_.cr0 = cr0_paging | cr0_protection;
        registers_.efer = efer_long_mode_active;
        registers_.cr3 = cr3;
        registers_.cr4 = cr4;
    }

    std::unique_ptr<GuestMemory> memory_ = *GuestMemory::create(1 << 20);
    SpecialRegisters registers_{};
};

TEST_F(PageWalk, WithoutPagingAddressesArePhysical) {
    EXPECT_EQ(walk(0x12345), 0x12345U);
}

TEST_F(PageWalk, FourAndFiveLevels) {
    long_mode(0x1000, 1 << 5);
    set<std::uint64_t>(0x1000 + 511 * 8, 0x2003); // the kernel's half
    set<std::uint64_t>(0x2000 + 510 * 8, 0x3003);
    set<std::uint64_t>(0x2000 + 509 * 8, 0x4000'0083); // 1 GiB
    set<std::uint64_t>(0x3000 + 8 * 8, 0x0100'00E3);   // 2 MiB
    set<std::uint64_t>(0x3000 + 9 * 8, 0x4003);
    set<std::uint64_t>(0x4000 + 1 * 8, 0x8000'0000'0005'5067); // a program's, not to be executed
    EXPECT_EQ(walk(0xFFFF'FFFF'8101'2345), 0x0101'2345U);
    EXPECT_EQ(walk(0xFFFF'FFFF'4567'89AB), 0x4567'89ABU);
    EXPECT_EQ(walk(0xFFFF'FFFF'8120'1ABC), 0x5'5ABCU);
    EXPECT_EQ(walk(0xFFFF'FFFF'8120'2ABC), std::nullopt) << "not present";
    EXPECT_EQ(walk(0x0000'FFFF'8101'2345), std::nullopt) << "not canonical";
    set<std::uint64_t>(0x5000 + 511 * 8, 0x1003);
    registers_.cr3 = 0x5018; // with a process-context identifier
    registers_.cr4 |= 1 << 12;
    EXPECT_EQ(walk(0xFFFF'FFFF'8101'2345), 0x0101'2345U);
}

TEST_F(PageWalk, ThirtyTwoBits) {
    registers_.cr0 = cr0_paging | cr0_protection;
    registers_.cr3 = 0x1000;
    set<std::uint32_t>(0x1000 + 1 * 4, 0x2003);
    set<std::uint32_t>(0x1000 + 2 * 4, 0x0080'0083);
    set<std::uint32_t>(0x2000 + 3 * 4, 0x7003);
    EXPECT_EQ(walk(0x0040'3123), 0x7123U);
    EXPECT_EQ(walk(0x0080'3123), std::nullopt) << "a table that is not in RAM, as large pages are off";
    registers_.cr4 = 1 << 4;
    EXPECT_EQ(walk(0x0080'3123), 0x0080'3123U);
    EXPECT_EQ(walk(0x1'0040'3123), std::nullopt);

    registers_.cr4 = cr4_physical_address_extension;
    registers_.cr3 = 0x3020;
    set<std::uint64_t>(0x3020 + 3 * 8, 0x4001);
    set<std::uint64_t>(0x4000 + 1 * 8, 0x1234'0000'0083 & 0x000F'FFFF'FFE0'0FFF);
    EXPECT_EQ(walk(0xC020'0042), 0x1234'0000'0042U & 0x000F'FFFF'FFE0'0FFF);
    EXPECT_EQ(walk(0x0020'0042), std::nullopt);
}

TEST_F(PageWalk, TablesOutsideOfRamAreNoTables) {
    long_mode(0x4000'0000, 1 << 5);
    EXPECT_EQ(walk(0), std::nullopt);
    long_mode(0x1000, 1 << 5);
    set<std::uint64_t>(0x1000, 0x000F'FFFF'FFFF'F003);
    EXPECT_EQ(walk(0), std::nullopt);
}

} // namespace
} // namespace plugbay::core
