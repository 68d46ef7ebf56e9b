// What a guest knows of its processors, compared with what a host has.
#include "core/kvm/processor_facts.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using ::testing::HasSubstr;

CpuidTable table() {
    return CpuidTable({{.leaf = 0, .eax = 0xd, .ebx = 0x756e'6547},
                       {.leaf = 1, .eax = 0x906ea, .ebx = 0x0010'0800, .ecx = 0x1000, .edx = 0x200},
                       {.leaf = 7, .subleaf = 0, .subleaf_significant = true, .ebx = 0x20},
                       {.leaf = 0x4000'0100, .eax = 0x4000'0101}});
}

// As of a machine that has a leaf of its own, which no KVM has.
ProcessorFacts saved() {
    return {.cpuid = table(), .time_stamp_khz = 2'100'000, .edited = {0x4000'0100}};
}

CpuidTable host() {
    CpuidTable supported = table();
    supported.remove(0x4000'0100);
    return supported;
}

TEST(ProcessorFacts, TheSameHostIsGood) {
    EXPECT_TRUE(check_processor(saved(), host()));
}

TEST(ProcessorFacts, WhatDependsOnTheMomentDoesNotMatter) {
    CpuidTable other = host();
    other.find(1)->ebx = 0x0310'0800; // asked on another processor
    other.find(1)->ecx |= 1 << 27;    // and with OSXSAVE
    EXPECT_TRUE(check_processor(saved(), other));
}

TEST(ProcessorFacts, TheLeafThatDiffersIsNamed) {
    CpuidTable other = host();
    other.find(7)->ebx = 0;
    const auto refused = check_processor(saved(), other);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message,
                HasSubstr("CPUID leaf 0x7, subleaf 0x0 has ebx 0x00000000, not 0x00000020"));
    other.remove(7);
    const auto missing = check_processor(saved(), other);
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message, HasSubstr("CPUID leaf 0x7, subleaf 0x0 is missing"));
    EXPECT_THAT(missing.error().hint, HasSubstr("--accept-other-processor"));
}

TEST(ProcessorFacts, LeavesThatWereEditedSayNothingOfTheHost) {
    CpuidTable other = host();
    other.find(7)->ebx = 0;
    ProcessorFacts facts = saved();
    facts.edited.push_back(7);
    EXPECT_TRUE(check_processor(facts, other));
}

TEST(ProcessorFacts, AnImageHoldsThem) {
    const auto image = saved().save();
    ASSERT_TRUE(image) << image.error().text();
    const auto loaded = ProcessorFacts::load(*image);
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->time_stamp_khz, 2'100'000U);
    EXPECT_EQ(loaded->edited, saved().edited);
    EXPECT_EQ(loaded->cpuid.entries().size(), table().entries().size());
    EXPECT_TRUE(check_processor(*loaded, host()));
}

} // namespace
} // namespace plugbay::core
