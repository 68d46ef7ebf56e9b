// PCI functions on the built-in bus, and a bridge plugin.
#include "probe_bench.hpp"

namespace plugbay::testkit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PciTest : public testing::Test {
  protected:
    PciTest() { bench.add(probe_file, "probe-pci", "pci"); }
    std::uint32_t config(unsigned offset, unsigned width = 4) {
        return bench.config_read(slot, offset, width);
    }
    void set_config(unsigned offset, unsigned width, std::uint32_t value) {
        bench.config_write(slot, offset, width, value);
    }
    Bench bench;
    unsigned slot = 1;
};

TEST_F(PciTest, DescribesTheFunction) {
    EXPECT_EQ(bench.slot("pci"), 1u);
    EXPECT_EQ(config(0), 0x56781234u);
    EXPECT_EQ(config(8), 0x01020342u);
    EXPECT_EQ(config(0x2c), 0xdef09abcu);
    EXPECT_EQ(config(0x3d, 1), 1u);
    EXPECT_EQ(config(0x06, 2) & 0x10, 0x10u);
    EXPECT_EQ(bench.config_read(2, 0, 4), 0xffffffffu);
    set_config(0, 4, 0);
    EXPECT_EQ(config(0, 2), 0x1234u);
    EXPECT_EQ(config(0xfffffffc), 0xffffffffu); // far behind its end
    set_config(0xfffffffc, 4, 0);
    set_config(0x3c, 2, 0xffff); // the line register, not the pin
    EXPECT_EQ(config(0x3c, 2), 0x01ffu);
}

TEST_F(PciTest, BarsAreSizedAndDecoded) {
    EXPECT_EQ(bench.bar("pci", 1), 0u);
    bench.start();
    ASSERT_EQ(bench.bars().size(), 4u);
    const auto memory = bench.bar("pci", 1);
    EXPECT_EQ(bench.read(memory + 4, 4), 11u);
    EXPECT_EQ(bench.in(static_cast<std::uint16_t>(bench.bar("pci", 0)), 2), 10u);
    EXPECT_EQ(bench.read(bench.bar("pci", 2), 1), 12u);
    EXPECT_GE(bench.bar("pci", 2), std::uint64_t{1} << 32);

    set_config(0x10, 4, 0xffffffff);
    EXPECT_EQ(config(0x10), 0xffffffe1u);
    set_config(0x14, 4, 0xffffffff);
    EXPECT_EQ(config(0x14), 0xffffe000u);
    set_config(0x18, 4, 0xffffffff);
    set_config(0x1c, 4, 0xffffffff);
    EXPECT_EQ(config(0x18), 0x0000000cu);
    EXPECT_EQ(config(0x1c), 0xfffffffeu);
    set_config(0x24, 4, 0xffffffff);
    EXPECT_EQ(config(0x24), 0u);

    set_config(0x14, 4, 0x90000000);
    EXPECT_EQ(bench.read(0x90001ffc, 4), 11u);
    EXPECT_EQ(bench.read(memory, 4), 0xffffffffu);
    set_config(4, 2, 1); // memory off
    EXPECT_EQ(bench.read(0x90000000, 4), 0xffffffffu);
    bench.reset();
    EXPECT_EQ(bench.bar("pci", 1), memory);
    EXPECT_EQ(bench.read(memory, 4), 11u);
}

TEST_F(PciTest, DoorbellsFollowTheirBar) {
    bench.start();
    bench.write(bench.bar("pci", 1) + 0x100, 4, 0);
    bench.run();
    EXPECT_THAT(lines(bench, "pci"), ElementsAre("rung 9"));
    set_config(0x14, 4, 0x90000000);
    bench.write(0x90000100, 4, 0);
    bench.run();
    EXPECT_THAT(lines(bench, "pci"), ElementsAre("rung 9", "rung 9"));
}

TEST_F(PciTest, HookedBytesReachTheDevice) {
    bench.start();
    const unsigned capability = bench.find_capability("pci", 0x09);
    ASSERT_EQ(capability, 0x40u);
    EXPECT_EQ(config(capability + 4), 0x00000004u); // the whole hook at once
    EXPECT_EQ(config(capability + 6, 2), 0x0202u);
    EXPECT_EQ(config(capability + 2, 2), 0x0201u); // not hooked
    set_config(capability + 2, 2, 0xffff);
    EXPECT_EQ(config(capability + 2, 2), 0x02ffu);
    set_config(capability + 6, 1, 0x1ab);
    EXPECT_THAT(lines(bench, "pci"), ElementsAre("config 2 1 171"));
    EXPECT_EQ(bench.find_capability("pci", 0x09, 1), 0u);
}

TEST_F(PciTest, MsixMasksAndRemembers) {
    bench.start();
    const auto memory = bench.bar("pci", 1);
    bench.write(memory, 4, 1);
    EXPECT_THAT(lines(bench, "pci"), ElementsAre("no MSI-X"));
    bench.enable_msix("pci");
    bench.write(memory, 4, 1);
    bench.write(memory, 4, 0);
    EXPECT_THAT(bench.take_msix("pci"), ElementsAre(1, 0));
    EXPECT_THAT(bench.take_msix("pci"), IsEmpty());
    bench.mask_msix("pci", 2, true);
    bench.write(memory, 4, 2);
    bench.write(memory, 4, 2);
    EXPECT_THAT(bench.take_msix("pci"), IsEmpty());
    EXPECT_TRUE(bench.msix_pending("pci", 2));
    const auto table = bench.bar("pci", 4);
    EXPECT_EQ(bench.read(table + 2048, 8), 4u); // the pending bits
    bench.write(table + 32 + 8, 4, 0x4567);
    bench.write(table + 32, 8, 0x1'fee01000);
    bench.write(table + 32 + 12, 4, 0); // unmasked by the guest
    const auto messages = bench.take_msix_messages("pci");
    ASSERT_EQ(messages.size(), 1u);
    EXPECT_EQ(messages[0].vector, 2u);
    EXPECT_EQ(messages[0].address, 0x1fee01000u);
    EXPECT_EQ(messages[0].data, 0x4567u);
    EXPECT_FALSE(bench.msix_pending("pci", 2));
    // The function's mask holds all back.
    const unsigned control = bench.find_capability("pci", 0x11) + 2;
    EXPECT_EQ(config(control, 2), 0x8002u);
    set_config(control, 2, 0xc000);
    bench.write(memory, 4, 0);
    EXPECT_THAT(bench.take_msix("pci"), IsEmpty());
    set_config(control, 2, 0x8000);
    EXPECT_THAT(bench.take_msix("pci"), ElementsAre(0));
}

TEST_F(PciTest, PinsDriveTheBusesLines) {
    bench.start();
    const auto memory = bench.bar("pci", 1);
    bench.write(memory, 4, 101);
    EXPECT_EQ(bench.line(17), 1);
    EXPECT_EQ(config(6, 2) & 8, 8u);
    set_config(5, 1, 4); // the pin is switched off
    EXPECT_EQ(bench.line(17), 0);
    set_config(5, 1, 0);
    EXPECT_EQ(bench.edges(17), 2u);
    bench.write(memory, 4, 100);
    EXPECT_EQ(bench.line(17), 0);
}

TEST_F(PciTest, SlotsAreExclusive) {
    const Outcome taken = bench.try_add(probe_file, "probe-pci", "other", {{"slot", "1"}});
    EXPECT_EQ(taken.status, PLUGBAY_TAKEN);
    EXPECT_THAT(taken.text, HasSubstr("\"pci\""));
    EXPECT_EQ(bench.try_add(probe_file, "probe-pci", "other", {{"slot", "32"}}).status, PLUGBAY_INVALID);
    EXPECT_EQ(bench.try_add(probe_file, "probe-pci", "other", {{"slot", "-2"}}).status, PLUGBAY_INVALID);
    EXPECT_EQ(bench.try_add(probe_file, "probe-pci", "other", {{"bus", "none"}}).status, PLUGBAY_NOT_FOUND);
    bench.add(probe_file, "probe-pci", "other");
    EXPECT_EQ(bench.slot("other"), 2u);
    EXPECT_EQ(bench.remove("pci").total(), 0u);
    bench.add(probe_file, "probe-pci", "third");
    EXPECT_EQ(bench.slot("third"), 1u);
}

TEST(PciBridge, ReachesFunctionsAndAssigns) {
    Bench bench;
    bench.add(probe_file, "probe-bridge", "bridge");
    bench.add(probe_file, "probe-pci", "pci", {{"bus", "bridge"}, {"slot", "5"}});
    bench.start();
    EXPECT_EQ(bench.bar("pci", 0), 0x2000u);
    EXPECT_EQ(bench.bar("pci", 1), 0x80000000u);
    EXPECT_EQ(bench.read(0x80000000, 4), 11u);
    bench.out(0xcf8, 4, 0x80000000 | 5 << 11);
    EXPECT_EQ(bench.in(0xcfc, 4), 0x56781234u);
    EXPECT_EQ(bench.in(0xcfe, 2), 0x5678u);
    bench.out(0xcf8, 4, 0x80000000 | 5 << 11 | 0x44);
    EXPECT_EQ(bench.in(0xcfc, 4), 4u); // through the bridge into the other device's hook
    bench.out(0xcf8, 4, 0x80000000 | 5 << 11 | 0x14);
    bench.out(0xcfc, 4, 0x88000000);
    EXPECT_EQ(bench.read(0x88000000, 4), 11u);
    bench.write(0x88000000, 4, 101);
    EXPECT_EQ(bench.line(9), 1); // lines[(5 + 0) % 4]
    bench.reset();
    EXPECT_EQ(bench.bar("pci", 1), 0x80000000u);
    EXPECT_EQ(bench.line(9), 0);
    bench.quiesce();
    EXPECT_THROW(bench.remove("bridge"), Error); // there is a function on its bus
    EXPECT_EQ(bench.remove("pci").total(), 0u);
    EXPECT_EQ(bench.remove("bridge").total(), 0u);
}

TEST(PciBridge, WindowsThatCannotBeAreRefused) {
    const auto refusal = [](const char* first, const char* size) {
        Bench bench;
        return bench.try_add(probe_file, "probe-bridge", "bridge", {{"low", first}, {"low_size", size}}).text;
    };
    EXPECT_EQ(refusal("0x80000000", "0x1000"), "");
    EXPECT_THAT(refusal("0xfff00000", "0x100001"), HasSubstr("4 GiB"));
    EXPECT_THAT(refusal("0xfff00000", "0xfffffffffff00000"), HasSubstr("4 GiB")) << "the sum overflows";
    EXPECT_THAT(refusal("0xfeb00000", "0x100001"), HasSubstr("interrupt controllers"));
    EXPECT_THAT(refusal("0x1000", "0x1000"), HasSubstr("RAM"));
}

TEST(PciCheckpoint, CarriesConfigurationOver) {
    std::shared_ptr<const Bench::Checkpoint> checkpoint;
    {
        Bench bench;
        bench.add(probe_file, "probe-pci", "pci");
        bench.start();
        bench.enable_msix("pci");
        bench.config_write(1, 0x14, 4, 0x90000000);
        bench.store_object<std::uint32_t>(0x1000, 99);
        bench.advance(std::chrono::seconds(1));
        bench.quiesce();
        checkpoint = bench.save();
    }
    Bench bench;
    bench.add(probe_file, "probe-pci", "pci");
    bench.load(*checkpoint);
    bench.start();
    EXPECT_EQ(bench.now(PLUGBAY_CLOCK_GUEST), 1'000'000'000u);
    EXPECT_EQ(bench.load_object<std::uint32_t>(0x1000), 99u);
    bench.write(0x90000000, 4, 2);
    EXPECT_THAT(bench.take_msix("pci"), ElementsAre(2));
}

TEST(AnyBus, AFunctionWhoseBusIsNotThereJoinsTheBuiltInOne) {
    Bench strict;
    EXPECT_THAT(strict.try_add(probe_file, "probe-pci", "pci", {{"bus", "pci7"}}).text,
                HasSubstr("there is no PCI bus \"pci7\""));
    Bench bench({.any_pci_bus = true});
    bench.add(probe_file, "probe-pci", "pci", {{"bus", "pci7"}});
    EXPECT_EQ(bench.config_read(bench.slot("pci"), 0, 4), 0x56781234u);
}

} // namespace
} // namespace plugbay::testkit
