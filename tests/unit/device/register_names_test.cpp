#include "core/device/register_names.hpp"

#include <plugbay/abi/registers.h>

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

RegisterDescription a_register(std::string name, std::uint64_t offset, std::uint32_t width,
                               std::uint32_t access = PLUGBAY_REGISTER_READ_WRITE) {
    RegisterDescription one;
    one.name = std::move(name);
    one.offset = offset;
    one.width = width;
    one.stride = width;
    one.count = 1;
    one.access = access;
    return one;
}

RegisterFieldDescription a_field(std::string name, std::uint32_t first_bit, std::uint32_t bit_count,
                                 std::vector<RegisterValueDescription> values = {}) {
    RegisterFieldDescription field;
    field.name = std::move(name);
    field.first_bit = first_bit;
    field.bit_count = bit_count;
    field.access = PLUGBAY_REGISTER_READ_WRITE;
    field.values = std::move(values);
    return field;
}

class RegisterNames : public testing::Test {
  protected:
    RegisterNames() {
        RegisterBlockDescription& block = blocks.emplace_back();
        block.token = 5;
        block.length = 0x40;
        block.registers = {
            a_register("RBR", 0, 1, PLUGBAY_REGISTER_READ_ONLY),
            a_register("THR", 0, 1, PLUGBAY_REGISTER_WRITE_ONLY),
            a_register("DLL", 0, 1),
            a_register("LCR", 3, 1),
            a_register("STATUS", 4, 2),
            a_register("ENABLE", 6, 2),
            a_register("DATA", 0x10, 4),
            a_register("WIDE", 0x38, 8),
        };
        block.registers[0].when = block.registers[1].when = "LCR.DLAB=0";
        block.registers[2].when = "LCR.DLAB=1";
        block.registers[3].state = "line_control";
        block.registers[3].fields = {a_field("WLS", 0, 2, {{0, "5 bits"}, {3, "8 bits"}}),
                                     a_field("PEN", 3, 1), a_field("DLAB", 7, 1)};
        block.registers[4].fields = {a_field("TMR", 0, 1), a_field("CODE", 4, 8), a_field("WAK", 15, 1)};
        block.registers[6].count = 3;
        block.registers[6].stride = 8;
        RegisterBlockDescription& memory = blocks.emplace_back();
        memory.name = "memory";
        memory.flags = PLUGBAY_REGISTER_BLOCK_INDIRECT;
        memory.token = 5;
        memory.length = 0x80;
        memory.registers = {a_register("INDIRECT", 3, 1)};
    }
    [[nodiscard]] std::string name(std::uint64_t offset, std::uint32_t width, bool is_write = false) const {
        return register_name(blocks, {.token = 5, .offset = offset, .width = width, .is_write = is_write});
    }
    [[nodiscard]] std::string text(std::uint64_t offset, std::uint32_t width, std::uint64_t value) const {
        return register_text(blocks, {.token = 5, .offset = offset, .width = width, .is_write = true}, value);
    }

    std::vector<RegisterBlockDescription> blocks;
};

TEST_F(RegisterNames, OneRegister) {
    EXPECT_EQ(name(3, 1), "LCR");
    EXPECT_EQ(name(0x38, 8), "WIDE");
    EXPECT_EQ(name(8, 8), "") << "nothing is there";
    EXPECT_EQ(name(0x40, 1), "") << "past the end";
    EXPECT_EQ(name(~std::uint64_t{0}, 8), "");
    EXPECT_EQ(register_name(blocks, {.token = 4, .offset = 3, .width = 1}), "") << "another region";
}

TEST_F(RegisterNames, WhatSharesAPlace) {
    EXPECT_EQ(name(0, 1, false), "RBR or DLL");
    EXPECT_EQ(name(0, 1, true), "THR or DLL");
}

TEST_F(RegisterNames, PartsAndSeveral) {
    EXPECT_EQ(name(5, 1), "STATUS byte 1");
    EXPECT_EQ(name(4, 4), "STATUS, ENABLE");
    EXPECT_EQ(name(3, 2), "LCR, STATUS byte 0");
    EXPECT_EQ(name(0x39, 4), "WIDE bytes 1 to 4");
    EXPECT_EQ(name(0x3c, 8), "WIDE bytes 4 to 7") << "as far as the block goes";
}

TEST_F(RegisterNames, Arrays) {
    EXPECT_EQ(name(0x10, 4), "DATA[0]");
    EXPECT_EQ(name(0x18, 4), "DATA[1]");
    EXPECT_EQ(name(0x20, 4), "DATA[2]");
    EXPECT_EQ(name(0x28, 4), "") << "there are three";
    EXPECT_EQ(name(0x14, 4), "") << "between them";
    EXPECT_EQ(name(0x16, 4), "DATA[1] bytes 0 to 1");
}

TEST_F(RegisterNames, Values) {
    EXPECT_EQ(text(3, 1, 0x83), "LCR=0x83 (WLS=8 bits, DLAB=1)");
    EXPECT_EQ(text(3, 1, 0x00), "LCR=0x00 (WLS=5 bits)");
    EXPECT_EQ(text(3, 1, 0x02), "LCR=0x02 (WLS=2)");
    EXPECT_EQ(text(4, 4, 0x00068ab1), "STATUS=0x8ab1 (TMR=1, CODE=0xab, WAK=1), ENABLE=0x0006");
    EXPECT_EQ(text(5, 1, 0x80), "STATUS byte 1=0x80 (WAK=1)") << "CODE is only half there";
    EXPECT_EQ(text(0, 1, 0x41), "THR or DLL=0x41");
    EXPECT_EQ(text(8, 1, 0x41), "");
    EXPECT_EQ(text(0x38, 8, ~std::uint64_t{0}), "WIDE=0xffffffffffffffff");
}

TEST_F(RegisterNames, Differences) {
    const RegisterDescription& lcr = blocks[0].registers[3];
    EXPECT_EQ(field_differences(lcr, 0x00, 0x83), "WLS 5 bits became 8 bits, DLAB 0 became 1");
    EXPECT_EQ(field_differences(lcr, 0x10, 0x00), "") << "in no field";
    EXPECT_EQ(field_text(lcr, 0x08), "WLS=5 bits, PEN=1");
    EXPECT_EQ(register_of_state(blocks, "line_control"), &lcr);
    EXPECT_EQ(register_of_state(blocks, "other"), nullptr);
    EXPECT_EQ(register_of_state(blocks, ""), nullptr);
}

TEST_F(RegisterNames, ATypeWithoutAPluginHasNone) {
    EXPECT_TRUE(registers_of(LoadedType{}).empty());
}

} // namespace
} // namespace plugbay::core
