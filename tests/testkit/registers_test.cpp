// Register maps: what sdk/include/plugbay/registers.hpp promises, through the accesses of a guest.
#include "probe_bench.hpp"

#include <plugbay/abi/registers.h>
#include <plugbay/testkit/state_edit.hpp>

#include <cstring>

namespace plugbay::testkit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t data = 0xd000'0010; // the second map

class Registers : public testing::Test {
  protected:
    Registers() {
        bench.add(probe_file, "probe-registers", "probe");
        bench.start();
    }
    void enable() { bench.out(0x700, 1, 1); }
    Bench bench;
};

TEST_F(Registers, StartWithTheirInitialisers) {
    EXPECT_EQ(bench.in(0x700, 2), 0x40u);
    EXPECT_EQ(bench.in(0x706, 2), 0xa005u);
    EXPECT_EQ(bench.read(0xd000'0200, 8), 7u);
    EXPECT_THAT(lines(bench), IsEmpty());
}

TEST_F(Registers, TakeTheBitsThatTheirFieldsHave) {
    bench.out(0x700, 2, 0xffff);
    EXPECT_EQ(bench.in(0x700, 2), 0x71u) << "BUSY is read-only, GO write-only, others are not there";
    EXPECT_THAT(lines(bench), ElementsAre("control was 64, is 241"));
    bench.out(0x706, 2, 0xffff);
    EXPECT_EQ(bench.in(0x706, 2), 0xaff5u) << "writable()";
    bench.out(0x706, 2, 0);
    EXPECT_EQ(bench.in(0x706, 2), 0xa005u);
}

TEST_F(Registers, AreClearedByOnesAndByReading) {
    bench.out(0x700, 2, 0); // sets all bits of both
    bench.out(0x702, 2, 0x00f0);
    EXPECT_EQ(bench.in(0x702, 2), 0xff0fu);
    bench.out(0x703, 1, 0x0f); // the other byte is not written
    EXPECT_EQ(bench.in(0x702, 2), 0xf00fu);
    EXPECT_EQ(bench.in(0x704, 2), 0xffffu);
    EXPECT_EQ(bench.in(0x704, 2), 0u);
    bench.out(0x704, 2, 0xffff);
    EXPECT_EQ(bench.in(0x704, 2), 0u) << "writes are ignored";
    EXPECT_THAT(lines(bench),
                ElementsAre("control was 64, is 64", "status", "status", "events", "events", "events"));
}

TEST_F(Registers, ShareAPlace) {
    EXPECT_EQ(bench.in(0x708), 0x5au);
    EXPECT_EQ(bench.in(0x709), 0xeeu) << "nothing is there: reads_elsewhere()";
    bench.out(0x708, 1, 7);
    EXPECT_THAT(lines(bench), ElementsAre("sent 7"));
    enable();
    EXPECT_EQ(bench.in(0x708, 2), 12u);
    bench.out(0x709, 1, 1);
    EXPECT_EQ(bench.in(0x708, 2), 0x010cu);
    EXPECT_EQ(bench.in(0x709), 1u);
    EXPECT_EQ(lines(bench).size(), 2u) << "SENT is not there now";
}

TEST_F(Registers, AWriteThatMovesTheBankCountsAtOnce) {
    enable();
    bench.out(0x708, 4, 0xffff0055);
    EXPECT_EQ(bench.in(0x708, 4), 0xeeee0055u);
    bench.out(0x700, 1, 0);
    EXPECT_EQ(bench.in(0x708), 0x5au);
}

TEST_F(Registers, AreReachedInPartsAndTogether) {
    EXPECT_EQ(bench.in(0x70c, 4), 0x504c5547u);
    EXPECT_EQ(bench.in(0x70d, 1), 0x55u);
    EXPECT_EQ(bench.in(0x70e, 4), 0x100c504cu) << "half of ID, half of COUNT";
    EXPECT_EQ(bench.in(0x718, 4), 0xeeeeeeeeu);
    EXPECT_EQ(bench.in(0x717, 2), 0xee00u);
    bench.out(0x70c, 4, 0);
    EXPECT_EQ(bench.in(0x70c, 4), 0x504c5547u) << "constant";
    bench.out(0x710, 4, 0);
    EXPECT_EQ(bench.in(0x710, 4), 0x100cu) << "computed, read-only";
}

TEST_F(Registers, HandPartsToFunctionsWithWhatIsStored) {
    bench.out(0x715, 1, 0xab);
    bench.out(0x714, 4, 1);
    bench.out(0x716, 1, 0xff);
    EXPECT_THAT(lines(bench),
                ElementsAre("latch 43776 by 65280", "latch 1 by 4294967295", "latch 16711681 by 16711680"));
    EXPECT_EQ(bench.in(0x714, 4), 0x00ff0001u);
}

TEST_F(Registers, MakeArrays) {
    for (unsigned i = 0; i < 3; ++i)
        bench.write(data + 0x10 * i, 8, 0x1000 + i);
    bench.write(data + 0x30, 8, 0x1003); // a fourth is not there
    for (unsigned i = 0; i < 3; ++i)
        EXPECT_EQ(bench.read(data + 0x10 * i, 8), 0x1000 + i);
    EXPECT_EQ(bench.read(data + 0x30, 8), 0u);
    bench.write(data + 4, 8, 0x1122334455667788); // half of DATA[0], and KEY[0]
    EXPECT_EQ(bench.read(data, 8), 0x5566778800001000u);
    EXPECT_EQ(bench.read(data + 8, 2), 0x3344u);
    EXPECT_EQ(bench.read(data + 10, 4), 0u) << "between them";
    EXPECT_EQ(bench.read(data + 0x18, 2), 0u) << "KEY[1]";
    EXPECT_EQ(bench.read(0xd000'0108, 4), 4u) << "SQUARE[2]";
    EXPECT_EQ(bench.read(0xd000'0108, 8), 0x9'0000'0004u);
    bench.write(0xd000'010c, 4, 9);
    EXPECT_THAT(lines(bench), ElementsAre("square 3 9"));
    EXPECT_EQ(bench.read(0xd000'0208, 8), 0u) << "after the last";
    EXPECT_EQ(bench.read(0xd000'0ff8, 8), 0u);
}

TEST_F(Registers, AreReset) {
    bench.out(0x700, 2, 0xffff);
    bench.write(data, 8, 5);
    bench.reset();
    EXPECT_EQ(bench.in(0x700, 2), 0x40u);
    EXPECT_EQ(bench.in(0x702, 2), 0u);
    EXPECT_EQ(bench.read(data, 8), 0u);
    EXPECT_EQ(bench.read(0xd000'0200, 8), 7u);
}

TEST_F(Registers, AreTheState) {
    bench.out(0x700, 2, 0x31);
    bench.out(0x714, 4, 0x12345678);
    bench.write(data + 0x18, 2, 0xbeef);
    bench.quiesce();
    const StateImage image = bench.save("probe");
    std::vector<std::string> names;
    for (const StateField& field : image.fields())
        names.push_back(field.name);
    EXPECT_THAT(names, ElementsAre("CONTROL", "STATUS", "EVENTS", "MASKED", "DIVISOR", "LATCH", "DATA",
                                   "keys", "WIDE"));
    bench.resume();
    bench.reset();
    bench.quiesce();
    bench.load("probe", image);
    EXPECT_EQ(bench.save("probe"), image);
    bench.resume();
    EXPECT_EQ(bench.in(0x700, 2), 0x71u);
    EXPECT_EQ(bench.in(0x714, 4), 0x12345678u);
    EXPECT_EQ(bench.read(data + 0x18, 2), 0xbeefu);
}

TEST_F(Registers, LoadOnlyBitsThatExist) {
    bench.quiesce();
    const StateImage hostile =
        edited(bench.save("probe"), [](const StateField& field, std::span<std::byte> elements) {
            if (field.name == "CONTROL") std::memset(elements.data(), 0xff, elements.size());
        });
    bench.load("probe", hostile);
    bench.resume();
    EXPECT_EQ(bench.in(0x700, 2), 0x71u);
    bench.out(0x701, 1, 0xff); // its function tells what was stored
    EXPECT_EQ(last_line(bench), "control was 241, is 241");
}

TEST(RegisterMap, IsDeclaredAsConstantData) {
    const PluginFile file(probe_file);
    const plugbay_device_type* type = file.find("probe-registers");
    ASSERT_EQ(type->declaration_count, 1u);
    ASSERT_STREQ(type->declarations[0].id, PLUGBAY_REGISTERS);
    const auto* map = static_cast<const plugbay_registers*>(type->declarations[0].data);
    ASSERT_EQ(map->block_count, 2u);
    const plugbay_register_block& ports = *map->blocks[0];
    EXPECT_STREQ(ports.name, "ports");
    EXPECT_EQ(ports.token, 1u);
    EXPECT_EQ(ports.length, 0x20u);
    ASSERT_EQ(ports.register_count, 10u);
    const plugbay_register& control = ports.registers[0];
    EXPECT_STREQ(control.name, "CONTROL");
    EXPECT_STREQ(control.state, "CONTROL");
    EXPECT_EQ(control.reset, 0x40u);
    EXPECT_EQ(control.writable, 0xb1u);
    EXPECT_EQ(control.flags, PLUGBAY_REGISTER_WRITE_ACTS);
    ASSERT_EQ(control.field_count, 4u);
    EXPECT_STREQ(control.fields[1].values[1].name, "fast");
    EXPECT_EQ(control.fields[2].access, PLUGBAY_REGISTER_READ_ONLY);
    EXPECT_EQ(ports.registers[2].flags, PLUGBAY_REGISTER_READ_ACTS);
    EXPECT_EQ(ports.registers[3].writable, 0x0ff0u);
    EXPECT_EQ(ports.registers[4].access, PLUGBAY_REGISTER_READ_ONLY);
    EXPECT_EQ(ports.registers[4].flags, PLUGBAY_REGISTER_COMPUTED) << "its function is const";
    EXPECT_EQ(ports.registers[5].access, PLUGBAY_REGISTER_WRITE_ONLY);
    EXPECT_STREQ(ports.registers[6].when, "CONTROL.ENABLE=1");
    EXPECT_EQ(ports.registers[7].access, PLUGBAY_REGISTER_CONSTANT);
    EXPECT_EQ(ports.registers[7].writable, 0u);
    const plugbay_register_block& memory = *map->blocks[1];
    EXPECT_EQ(memory.length, 0x208u) << "up to the last register";
    EXPECT_EQ(memory.registers[0].count, 3u);
    EXPECT_EQ(memory.registers[0].stride, 0x10u);
    EXPECT_EQ(memory.registers[2].count, 4u);
}

TEST(RegisterMap, ServesADeviceThatDispatchesItself) {
    Bench bench;
    bench.add(probe_file, "probe-own-access", "probe");
    bench.start();
    EXPECT_EQ(bench.in(0x740, 4), 3u);
    bench.out(0x740, 4, 9);
    EXPECT_EQ(bench.in(0x740, 4), 9u);
    EXPECT_EQ(bench.in(0x744, 4), 1u);
    bench.quiesce();
    const StateImage image = bench.save("probe");
    ASSERT_EQ(image.fields().size(), 2u);
    EXPECT_EQ(image.fields()[0].name, "VALUE");
    bench.resume();
    bench.reset();
    EXPECT_EQ(bench.in(0x740, 4), 3u);
    EXPECT_EQ(bench.in(0x744, 4), 0u);
    bench.quiesce();
    bench.load("probe", image);
    bench.resume();
    EXPECT_EQ(bench.in(0x744, 4), 1u);
}

} // namespace
} // namespace plugbay::testkit
