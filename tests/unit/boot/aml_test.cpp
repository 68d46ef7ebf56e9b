#include "core/boot/aml.hpp"

#include <gtest/gtest.h>

namespace plugbay::core::aml {
namespace {

Code bytes(std::initializer_list<unsigned> values) {
    Code code;
    for (const unsigned value : values)
        code.push_back(static_cast<std::byte>(value));
    return code;
}

TEST(Aml, PackageLengthCountsItself) {
    EXPECT_EQ(package_length(0), bytes({1}));
    EXPECT_EQ(package_length(62), bytes({63}));
    EXPECT_EQ(package_length(63), bytes({0x41, 0x04})); // 65
    EXPECT_EQ(package_length(0xffd), bytes({0x4f, 0xff}));
    EXPECT_EQ(package_length(0xffe), bytes({0x81, 0x00, 0x01})); // 0x1001
    EXPECT_EQ(package_length(0xffffc), bytes({0x8f, 0xff, 0xff}));
    EXPECT_EQ(package_length(0xffffd), bytes({0xc1, 0x00, 0x00, 0x01})); // 0x100001
    EXPECT_EQ(package_length(0xffffffb), bytes({0xcf, 0xff, 0xff, 0xff}));
}

TEST(Aml, IntegersTakeTheShortestForm) {
    EXPECT_EQ(integer(0), bytes({0}));
    EXPECT_EQ(integer(1), bytes({1}));
    EXPECT_EQ(integer(2), bytes({0x0a, 2}));
    EXPECT_EQ(integer(0xff), bytes({0x0a, 0xff}));
    EXPECT_EQ(integer(0x100), bytes({0x0b, 0, 1}));
    EXPECT_EQ(integer(0x12345678), bytes({0x0c, 0x78, 0x56, 0x34, 0x12}));
    EXPECT_EQ(integer(0x100000000), bytes({0x0e, 0, 0, 0, 0, 1, 0, 0, 0}));
}

TEST(Aml, NamesArePaddedAndPrefixed) {
    EXPECT_EQ(name_string("\\_SB"), bytes({'\\', '_', 'S', 'B', '_'}));
    EXPECT_EQ(name_string("\\_SB.PCI0"), bytes({'\\', 0x2e, '_', 'S', 'B', '_', 'P', 'C', 'I', '0'}));
    EXPECT_EQ(name_string("^A.B.C"),
              bytes({'^', 0x2f, 3, 'A', '_', '_', '_', 'B', '_', '_', '_', 'C', '_', '_', '_'}));
    EXPECT_EQ(name_string("\\"), bytes({'\\', 0}));
}

TEST(Aml, IdentifiersAndStrings) {
    EXPECT_EQ(eisa_id("PNP0A03"), bytes({0x0c, 0x41, 0xd0, 0x0a, 0x03}));
    EXPECT_EQ(eisa_id("PNP0501"), bytes({0x0c, 0x41, 0xd0, 0x05, 0x01}));
    EXPECT_EQ(string("AB"), bytes({0x0d, 'A', 'B', 0}));
}

TEST(Aml, ContainersNest) {
    EXPECT_EQ(buffer(bytes({7, 8})), bytes({0x11, 5, 0x0a, 2, 7, 8}));
    EXPECT_EQ(package({integer(5), integer(0)}), bytes({0x12, 5, 2, 0x0a, 5, 0}));
    EXPECT_EQ(name("X", integer(1)), bytes({0x08, 'X', '_', '_', '_', 1}));
    EXPECT_EQ(scope("\\", name("X", integer(1))), bytes({0x10, 9, '\\', 0, 0x08, 'X', '_', '_', '_', 1}));
    EXPECT_EQ(device("D", {}), bytes({0x5b, 0x82, 5, 'D', '_', '_', '_'}));
    EXPECT_EQ(method("_STA", 0, return_value(integer(0x0f))),
              bytes({0x14, 9, '_', 'S', 'T', 'A', 0, 0xa4, 0x0a, 0x0f}));
}

TEST(Aml, LongPackagesAreVariable) {
    const std::vector<Code> elements(256, integer(0));
    const auto code = package(elements);
    EXPECT_EQ(code[0], std::byte{0x13});
    EXPECT_EQ(Code(code.begin() + 3, code.begin() + 6), bytes({0x0b, 0, 1}));
}

TEST(Aml, ResourceDescriptors) {
    using Trigger = ResourceTemplate::Trigger;
    const auto code = ResourceTemplate()
                          .io(0x3f8, 8)
                          .interrupt(4, Trigger::edge_high)
                          .interrupt(17, Trigger::level_high, true)
                          .code();
    EXPECT_EQ(code, bytes({0x11, 31, 0x0a, 28,                      // buffer of 28 bytes
                           0x47, 1,  0xf8, 3,    0xf8, 3,  1, 8,    //
                           0x89, 6,  0,    0x03, 1,    4,  0, 0, 0, //
                           0x89, 6,  0,    0x09, 1,    17, 0, 0, 0, //
                           0x79, 0}));
    const auto windows = ResourceTemplate()
                             .word_bus_number(0, 255)
                             .word_io(0xd00, 0xffff)
                             .dword_memory(0xc0000000, 0xfebfffff)
                             .qword_memory(0x800000000, 0xfffffffff)
                             .code();
    EXPECT_EQ(windows.size(),
              5 + 16 + 16 + 26 + 46 + 2U); // opcode, PkgLength of two bytes, BufferSize of two
}

} // namespace
} // namespace plugbay::core::aml
