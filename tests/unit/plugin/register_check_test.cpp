#include "core/plugin/register_check.hpp"

#include <plugbay/abi/registers.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

using testing::HasSubstr;

RegisterDescription a_register() {
    RegisterDescription one;
    one.name = "DATA";
    one.width = 4;
    one.count = 1;
    one.stride = 4;
    one.access = PLUGBAY_REGISTER_READ_WRITE;
    return one;
}

RegisterFieldDescription a_field(std::uint32_t first_bit, std::uint32_t bit_count) {
    RegisterFieldDescription field;
    field.name = "F" + std::to_string(first_bit);
    field.first_bit = first_bit;
    field.bit_count = bit_count;
    field.access = PLUGBAY_REGISTER_READ_ONLY;
    return field;
}

std::string refusal(const std::vector<RegisterBlockDescription>& blocks) {
    const auto done = check_registers(blocks);
    return done ? "" : done.error().text();
}

std::string refusal(RegisterDescription one, std::uint64_t length = 0x100) {
    return refusal({{.flags = 0, .token = 0, .length = length, .name = "", .registers = {std::move(one)}}});
}

TEST(RegisterCheck, PlacesEndWithinTheBlock) {
    RegisterDescription one = a_register();
    one.offset = 0xfc;
    EXPECT_EQ(refusal(one), "");
    one.offset = 0xfd;
    EXPECT_THAT(refusal(one), HasSubstr("outside of its block of 256 bytes"));
    one.offset = ~std::uint64_t{0};
    EXPECT_THAT(refusal(one), HasSubstr("outside of its block"));
    one.offset = 0;
    one.count = 64;
    EXPECT_EQ(refusal(one), "");
    one.count = 65;
    EXPECT_THAT(refusal(one), HasSubstr("outside of its block"));
    one.count = 0xffffffff;
    one.stride = ~std::uint64_t{0};
    EXPECT_THAT(refusal(one), HasSubstr("outside of its block"));
    EXPECT_THAT(refusal(one, ~std::uint64_t{0}), HasSubstr("outside of its block"));
}

TEST(RegisterCheck, CountsAndStrides) {
    RegisterDescription one = a_register();
    one.count = 0;
    EXPECT_THAT(refusal(one), HasSubstr("its count is 0"));
    one.count = 2;
    one.stride = 3;
    EXPECT_THAT(refusal(one), HasSubstr("its stride 3"));
    one.stride = 0;
    EXPECT_THAT(refusal(one), HasSubstr("its stride 0"));
}

TEST(RegisterCheck, ValuesFit) {
    RegisterDescription one = a_register();
    one.reset = one.writable = 0xffffffff;
    EXPECT_EQ(refusal(one), "");
    one.reset = 0x100000000;
    EXPECT_THAT(refusal(one), HasSubstr("do not fit"));
    one.reset = 0;
    one.writable = 0x100000000;
    EXPECT_THAT(refusal(one), HasSubstr("do not fit"));
    one.width = 8;
    one.stride = 8;
    one.writable = ~std::uint64_t{0};
    EXPECT_EQ(refusal(one), "");
    one.flags = 8;
    EXPECT_THAT(refusal(one), HasSubstr("flags 8"));
}

TEST(RegisterCheck, FieldsAreApart) {
    RegisterDescription one = a_register();
    one.fields = {a_field(0, 31), a_field(31, 1)};
    EXPECT_EQ(refusal(one), "");
    one.fields = {a_field(0, 4), a_field(3, 1)};
    EXPECT_THAT(refusal(one), HasSubstr("field \"F3\": another field has some of its bits"));
    one.fields = {a_field(0, 0)};
    EXPECT_THAT(refusal(one), HasSubstr("0 bits from bit 0"));
    one.fields = {a_field(32, 1)};
    EXPECT_THAT(refusal(one), HasSubstr("the register has 32"));
    one.fields = {a_field(1, ~0U)};
    EXPECT_THAT(refusal(one), HasSubstr("the register has 32"));
    one.fields = {a_field(0, 1), a_field(1, 1)};
    one.fields[1].name = "F0";
    EXPECT_THAT(refusal(one), HasSubstr("the register has it twice"));
    one.fields = {a_field(0, 2)};
    one.fields[0].values = {{3, "a"}, {3, "b"}};
    EXPECT_THAT(refusal(one), HasSubstr("its value 3 has two names"));
    one.fields[0].values = {{4, "a"}};
    EXPECT_THAT(refusal(one), HasSubstr("its value 4 does not fit"));
    one.fields[0].values = {{1, ""}};
    EXPECT_THAT(refusal(one), HasSubstr("has no name"));
    one.width = 8;
    one.stride = 8;
    one.fields = {a_field(0, 64)};
    one.fields[0].values = {{~std::uint64_t{0}, "all"}};
    EXPECT_EQ(refusal(one), "");
}

TEST(RegisterCheck, BlocksHaveNamesAndTokensOfTheirOwn) {
    const RegisterBlockDescription one{
        .flags = 0, .token = 1, .length = 8, .name = "a", .registers = {a_register()}};
    RegisterBlockDescription other = one;
    EXPECT_THAT(refusal({one, other}), HasSubstr("two blocks have this name"));
    other.name = "b";
    EXPECT_THAT(refusal({one, other}), HasSubstr("token 1 has another block already"));
    other.flags = PLUGBAY_REGISTER_BLOCK_INDIRECT;
    EXPECT_EQ(refusal({one, other}), "");
    other.flags = 2;
    EXPECT_THAT(refusal({one, other}), HasSubstr("flags 2"));
}

} // namespace
} // namespace plugbay::core
