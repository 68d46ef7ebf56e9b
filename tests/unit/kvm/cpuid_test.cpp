#include "core/kvm/cpuid.hpp"

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

// A table of the kind KVM gives, with leaf 0 naming `vendor`.
CpuidTable table_of(std::uint32_t vendor_ebx) {
    return CpuidTable({
        {0, 0, false, 0xA, vendor_ebx, 0, 0},
        {1, 0, false, 0, 0x12345678, 0, 0},
        {4, 0, true, 1U << 5 | 1 | 0xFFFU << 14 | 0x3FU << 26, 0, 0, 0}, // level 1 data
        {4, 1, true, 3U << 5 | 3, 0, 0, 0},                              // level 3
        {4, 2, true, 0, 0, 0, 0},                                        // the end
        {0x1F, 0, true, 0, 0, 0, 0},
        {0x80000001, 0, false, 0, 0, 0, 0},
        {0x80000008, 0, false, 0x3030, 0, 0xFFFF, 0},
        {0x8000001D, 0, true, 3U << 5 | 3, 0, 0, 0},
        {0x8000001E, 0, false, 9, 9, 9, 0},
    });
}

constexpr std::uint32_t intel = 0x756E6547;
constexpr std::uint32_t amd = 0x68747541;

TEST(CpuidTable, FindHonoursSubleafOnlyWhereSignificant) {
    const auto table = table_of(intel);
    EXPECT_EQ(table.find(4, 1)->eax & 0x1F, 3U);
    EXPECT_EQ(table.find(4, 7), nullptr);
    EXPECT_NE(table.find(1, 7), nullptr);
    EXPECT_EQ(table.find(0x99), nullptr);
}

TEST(CpuidTable, SetReplacesOrAdds) {
    auto table = table_of(intel);
    const auto size = table.entries().size();
    table.set({1, 0, false, 42, 0, 0, 0});
    EXPECT_EQ(table.entries().size(), size);
    EXPECT_EQ(table.find(1)->eax, 42U);
    table.set({0x40000000, 0, false, 7, 0, 0, 0});
    EXPECT_EQ(table.entries().size(), size + 1);
    table.remove(4);
    EXPECT_EQ(table.find(4), nullptr);
}

TEST(CpuidTopology, EveryVcpuGetsItsApicId) {
    for (std::uint32_t count = 1; count <= max_vcpu_count; ++count) {
        for (std::uint32_t index = 0; index < count; ++index) {
            auto table = table_of(intel);
            apply_topology(table, index, count);
            EXPECT_EQ(table.find(1)->ebx >> 24, index);
            EXPECT_EQ(table.find(1)->ebx & 0xFFFF, 0x5678U) << "the rest of leaf 1 stays";
            EXPECT_GE(table.find(1)->ebx >> 16 & 0xFF, count);
            for (std::uint32_t level = 0; level < 3; ++level)
                EXPECT_EQ(table.find(0xB, level)->edx, index);
            EXPECT_GE(1U << table.find(0xB, 1)->eax, count) << "the shift makes room for every core";
            EXPECT_EQ(table.find(0xB, 1)->ebx, count);
        }
    }
}

TEST(CpuidTopology, MultithreadingFlagFollowsTheCount) {
    auto one = table_of(intel);
    apply_topology(one, 0, 1);
    EXPECT_EQ(one.find(1)->edx >> 28 & 1, 0U);
    auto two = table_of(intel);
    apply_topology(two, 1, 2);
    EXPECT_EQ(two.find(1)->edx >> 28 & 1, 1U);
    EXPECT_EQ(two.find(1)->ecx >> 31, 1U) << "hypervisor bit";
}

TEST(CpuidTopology, CachesBelongToACoreUpToLevel2) {
    auto table = table_of(intel);
    apply_topology(table, 0, 3);
    EXPECT_EQ(table.find(4, 0)->eax >> 14 & 0xFFF, 0U);
    EXPECT_EQ(table.find(4, 1)->eax >> 14 & 0xFFF, 3U);
    EXPECT_EQ(table.find(4, 0)->eax >> 26, 3U);
    EXPECT_EQ(table.find(4, 2)->eax, 0U) << "the end marker stays";
}

TEST(CpuidTopology, RaisesTheLastBasicLeafAndDropsTheSecondTopologyLeaf) {
    auto table = table_of(intel);
    apply_topology(table, 0, 2);
    EXPECT_EQ(table.find(0)->eax, 0xBU);
    EXPECT_EQ(table.find(0x1F), nullptr);
}

TEST(CpuidTopology, AmdLeavesOnlyOnAmd) {
    auto table = table_of(amd);
    apply_topology(table, 2, 4);
    EXPECT_EQ(table.find(0x80000008)->ecx & 0xFF, 3U);
    EXPECT_EQ(table.find(0x80000008)->ecx >> 12 & 0xF, 2U);
    EXPECT_EQ(table.find(0x80000001)->ecx & 2, 2U);
    EXPECT_EQ(table.find(0x8000001E)->eax, 2U);
    EXPECT_EQ(table.find(0x8000001E)->ebx, 2U);
    EXPECT_EQ(table.find(0x8000001D, 0)->eax >> 14 & 0xFFF, 3U);
    auto other = table_of(intel);
    apply_topology(other, 2, 4);
    EXPECT_EQ(other.find(0x8000001E)->eax, 9U);
}

TEST(CpuidTopology, AnEmptyTableIsLeftAlone) {
    CpuidTable table;
    apply_topology(table, 0, 4);
    set_tsc_deadline(table, true);
    EXPECT_TRUE(table.entries().empty());
}

TEST(CpuidTscDeadline, SetsAndClears) {
    auto table = table_of(intel);
    set_tsc_deadline(table, true);
    EXPECT_EQ(table.find(1)->ecx >> 24 & 1, 1U);
    set_tsc_deadline(table, false);
    EXPECT_EQ(table.find(1)->ecx >> 24 & 1, 0U);
}

} // namespace
} // namespace plugbay::core
