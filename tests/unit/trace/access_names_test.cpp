// What an access is called.
#include "core/trace/access_names.hpp"

#include <plugbay/abi/registers.h>

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

using Kind = AccessRecord::Kind;

RegisterDescription a_register(const std::string& name, std::uint64_t offset, std::uint32_t access) {
    RegisterDescription one;
    one.name = name;
    one.offset = offset;
    one.width = 1;
    one.stride = 1;
    one.count = 1;
    one.access = access;
    return one;
}

class AccessNamesTest : public testing::Test {
  protected:
    static AccessNames make() {
        RegisterDescription line = a_register("LCR", 3, PLUGBAY_REGISTER_READ_WRITE);
        RegisterFieldDescription field;
        field.name = "DLAB";
        field.first_bit = 7;
        field.bit_count = 1;
        line.fields.push_back(field);
        RegisterBlockDescription block;
        block.token = 5;
        block.length = 8;
        block.registers = {a_register("RBR", 0, PLUGBAY_REGISTER_READ_ONLY),
                           a_register("THR", 0, PLUGBAY_REGISTER_WRITE_ONLY), line};
        return AccessNames(
            {{.kind = AccessPlace::Kind::ports, .token = 5, .base = 0x3f8, .length = 8},
             {.kind = AccessPlace::Kind::bar, .token = 6, .base = 4, .length = 0x1000},
             {.kind = AccessPlace::Kind::memory, .token = 7, .base = 0xfed0'0000, .length = 0x400}},
            {block});
    }
    const AccessNames names = make();
};

TEST_F(AccessNamesTest, PlacesAreNamedByWhereTheyAre) {
    EXPECT_EQ(names.access_name({.kind = Kind::read, .width = 1, .token = 5, .offset = 6}),
              "ports 0x3f8 + 0x6");
    EXPECT_EQ(names.access_name({.kind = Kind::write, .width = 4, .token = 6, .offset = 0x10}),
              "BAR 4 + 0x10");
    EXPECT_EQ(names.access_name({.kind = Kind::read, .width = 8, .token = 7, .offset = 0xf0}),
              "memory 0xfed00000 + 0xf0");
    // What was mapped since.
    EXPECT_EQ(names.access_name({.kind = Kind::read, .width = 1, .token = 9, .offset = 1}),
              "token 0x9 + 0x1");
    EXPECT_EQ(names.access_name({.kind = Kind::msr_read, .token = 5, .offset = 0xc001'0015}),
              "MSR 0xc0010015");
    EXPECT_EQ(names.access_name({.kind = Kind::call, .token = 5, .offset = 0x100}), "hypercall 0x100");
    EXPECT_EQ(names.access_name({.kind = Kind::input, .what = "a doorbell"}), "a doorbell");
    EXPECT_EQ(names.access_name({.kind = Kind::timer, .what = "a timer"}), "a timer");
}

TEST_F(AccessNamesTest, RegistersAreNamedByTheMapOfTheType) {
    EXPECT_EQ(names.access_name({.kind = Kind::read, .width = 1, .token = 5}), "ports 0x3f8 + 0x0 RBR");
    EXPECT_EQ(names.access_name({.kind = Kind::write, .width = 1, .token = 5}), "ports 0x3f8 + 0x0 THR");
    const AccessRecord line{.kind = Kind::write, .width = 1, .token = 5, .offset = 3};
    EXPECT_EQ(names.access_name(line), "ports 0x3f8 + 0x3 LCR");
    EXPECT_EQ(names.value_name(line, 0x80), "0x80 (DLAB=1)");
    EXPECT_EQ(names.fields(line, 0x80), "DLAB=1");
    // Two of them at once have no fields together.
    EXPECT_EQ(names.value_name({.kind = Kind::read, .width = 4, .token = 5}, 0x8000'0000), "0x80000000");
    // An MSR has nothing to do with the map.
    EXPECT_EQ(names.register_of({.kind = Kind::msr_read, .width = 1, .token = 5, .offset = 3}), "");
}

TEST(AccessValues, HaveTheDigitsOfTheirWidth) {
    EXPECT_EQ(value_text(0, 1), "0x00");
    EXPECT_EQ(value_text(0xc0, 2), "0x00c0");
    EXPECT_EQ(value_text(1, 4), "0x00000001");
    EXPECT_EQ(value_text(1, 0), "0x0000000000000001");
}

} // namespace
} // namespace plugbay::core
