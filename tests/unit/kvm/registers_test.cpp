// Entry state and register formatting.
#include "core/kvm/kvm_vcpu.hpp"
#include "core/kvm/vcpu_dump.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

TEST(EntryRegisters, Long64) {
    CpuEntry entry;
    entry.mode = CpuEntry::Mode::long_64;
    entry.rip = 0x1000200;
    entry.rsp = 0x8000;
    entry.rsi = 0x7000;
    entry.page_table = 0x9000;
    entry.gdt_address = 0x500;
    entry.gdt_limit = 31;
    SpecialRegisters reset;
    reset.apic_base = 0xFEE00900;
    const auto state = entry_registers(entry, reset);
    ASSERT_TRUE(state);
    EXPECT_EQ(state->general.rip, 0x1000200U);
    EXPECT_EQ(state->general.rsp, 0x8000U);
    EXPECT_EQ(state->general.rsi, 0x7000U);
    EXPECT_EQ(state->general.rflags, 2U);
    EXPECT_EQ(state->special.cr3, 0x9000U);
    EXPECT_EQ(state->special.cr0 & (cr0_paging | cr0_protection), cr0_paging | cr0_protection);
    EXPECT_EQ(state->special.efer, efer_long_mode_enable | efer_long_mode_active);
    EXPECT_EQ(state->special.cr4, cr4_physical_address_extension);
    EXPECT_TRUE(state->special.cs.long_mode);
    EXPECT_FALSE(state->special.cs.default_big);
    EXPECT_EQ(state->special.cs.selector, 0x10);
    EXPECT_EQ(state->special.ss.selector, 0x18);
    EXPECT_EQ(state->special.gdt.base, 0x500U);
    EXPECT_EQ(state->special.gdt.limit, 31);
    EXPECT_EQ(state->special.tr.type, 0xB) << "a busy TSS, which Intel processors insist on";
    EXPECT_EQ(state->special.apic_base, 0xFEE00900U) << "kept from reset";
}

TEST(EntryRegisters, Protected32) {
    CpuEntry entry;
    entry.mode = CpuEntry::Mode::protected_32;
    entry.rip = 0x100000;
    entry.rbx = 0x6000;
    const auto state = entry_registers(entry, {});
    ASSERT_TRUE(state);
    EXPECT_EQ(state->special.cr0 & cr0_paging, 0U);
    EXPECT_EQ(state->special.cr4, 0U);
    EXPECT_EQ(state->special.efer, 0U);
    EXPECT_TRUE(state->special.cs.default_big);
    EXPECT_FALSE(state->special.cs.long_mode);
    EXPECT_EQ(state->special.ds.limit, 0xFFFF'FFFFU);
    EXPECT_EQ(state->general.rbx, 0x6000U);
    entry.rip = 0x1'0000'0000;
    EXPECT_FALSE(entry_registers(entry, {}));
}

TEST(EntryRegisters, Real16) {
    CpuEntry entry;
    entry.rip = 0x7C00;
    const auto state = entry_registers(entry, {});
    ASSERT_TRUE(state);
    EXPECT_EQ(state->special.cs.base, 0U);
    EXPECT_EQ(state->special.cs.limit, 0xFFFFU);
    EXPECT_EQ(state->special.cr0 & cr0_protection, 0U);
    EXPECT_EQ(state->special.idt.limit, 0xFFFF);
    entry.rip = 0x10000;
    EXPECT_FALSE(entry_registers(entry, {}));
}

TEST(FormatRegisters, NamesEveryRegisterOnce) {
    GeneralRegisters general;
    general.r15 = 0xDEADBEEF;
    general.rip = 0xFFFFFFFF81000000;
    SpecialRegisters special;
    special.cr2 = 0x123456789A;
    special.ldt.unusable = true;
    const auto lines = format_registers(general, special);
    EXPECT_THAT(lines, Contains(HasSubstr("rip ffffffff81000000 rflags 00000002")));
    EXPECT_THAT(lines, Contains(HasSubstr("r15 00000000deadbeef")));
    EXPECT_THAT(lines, Contains(HasSubstr("cr2 000000123456789a")));
    EXPECT_THAT(lines, Contains(HasSubstr("ldt 0000 unusable")));
    for (const auto& line : lines)
        EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST(FormatCode, MarksTheInstruction) {
    const std::array bytes{std::byte{0x90}, std::byte{0x0F}, std::byte{0x0B}};
    EXPECT_EQ(format_code(0x1000, bytes, 1), "code at 0000000000001000: 90 <0f> 0b");
    EXPECT_EQ(format_code(0x1000, {}, 0), "code at 0000000000001000:");
}

} // namespace
} // namespace plugbay::core
