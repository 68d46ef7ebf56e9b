// The rules of the ABI, as the Bench holds plugins to them.
#include "plugin/rogue_rule.hpp"
#include "probe_bench.hpp"

namespace plugbay::testkit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ContractTest : public testing::Test {
  protected:
    ContractTest() { bench.add(probe_file, "probe-rogue", "rogue"); }
    std::string broken(std::uint64_t rule) {
        bench.out(0x600, 4, rule);
        const auto violations = bench.take_violations();
        return violations.empty() ? "" : violations.front();
    }
    Bench bench{{.strict = false}};
};

TEST_F(ContractTest, WrongCallsAreFlaggedAndRefused) {
    bench.start();
    const auto status = [&](plugbay_status expected) {
        EXPECT_EQ(last_line(bench, "rogue"), "status " + std::to_string(expected));
    };
    EXPECT_THAT(broken(stale_handle), HasSubstr("timer arm: the handle's object is gone"));
    status(PLUGBAY_STALE);
    EXPECT_THAT(broken(firmware_after_create), HasSubstr("only allowed while creating"));
    status(PLUGBAY_FORBIDDEN);
    EXPECT_THAT(broken(null_log), HasSubstr("NULL"));
    EXPECT_THAT(broken(quiesced_unasked), HasSubstr("no quiesce is pending"));
    EXPECT_THAT(broken(claim_from_thread), HasSubstr("another thread"));
    status(PLUGBAY_FORBIDDEN);
    EXPECT_THAT(broken(level_two), HasSubstr("0 or 1"));
    status(PLUGBAY_INVALID);
    EXPECT_THAT(broken(unmap_never_mapped), HasSubstr("nothing is mapped"));
    EXPECT_THAT(broken(bad_exit_status), HasSubstr("0 to 255"));
    EXPECT_THAT(broken(log_newline), HasSubstr("newline"));
    EXPECT_EQ(broken(set_from_thread), "");
    status(PLUGBAY_OK);
    EXPECT_EQ(bench.line(14), 1);
}

TEST_F(ContractTest, AThrowFromACallbackWithoutAStatusIsExplainedInTheLog) {
    bench.start();
    EXPECT_EQ(broken(throw_on_refusal), "");
    EXPECT_THAT(last_line(bench, "rogue"), HasSubstr("PLUGBAY_TAKEN"));
    EXPECT_EQ(bench.log().back().level, PLUGBAY_LOG_ERROR);
}

TEST_F(ContractTest, TwoNumbersOfOneNameAreFlagged) {
    bench.start();
    Device& rogue = bench.device("rogue");
    EXPECT_EQ(rogue.statistic("rules broken"), 0u);
    EXPECT_THROW(static_cast<void>(rogue.statistic("rules kept")), Error);
    EXPECT_THAT(bench.violations(), IsEmpty());
    EXPECT_EQ(broken(number_twice), "");
    EXPECT_EQ(rogue.statistics().size(), 1u);
    EXPECT_THAT(bench.take_violations(), ElementsAre(HasSubstr("two numbers \"rules broken\"")));
}

TEST_F(ContractTest, AnotherDevicesHandleIsRefused) {
    CharPeer console;
    bench.add(probe_file, "probe", "probe");
    BlkPeer disk;
    bench.connect(disk, "probe.disk");
    bench.start();
    // The probe's handles are small numbers near the rogue's own.
    const std::uint64_t own = bench.in(0x600, 4);
    bench.out(0x600, 4, (own + 5) << 8 | foreign_handle);
    EXPECT_EQ(last_line(bench, "rogue"), "status -5");
    EXPECT_THAT(bench.take_violations(), ElementsAre(HasSubstr("rogue")));
}

TEST_F(ContractTest, QuiescedDevicesLeaveMemoryAlone) {
    bench.start();
    broken(touch_memory_on_save);
    bench.quiesce();
    static_cast<void>(bench.save("rogue"));
    EXPECT_THAT(bench.take_violations(), ElementsAre(HasSubstr("although it is quiesced")));
}

TEST(Contract, StrictBenchesThrow) {
    Bench bench;
    bench.add(probe_file, "probe-rogue", "rogue");
    bench.start();
    EXPECT_THROW(bench.out(0x600, 1, null_log), ContractViolation);
    bench.out(0x600, 1, set_from_thread); // thrown once
    EXPECT_EQ(bench.violations().size(), 1u);
}

TEST(Contract, FailedCreateGivesEverythingBack) {
    Bench bench({.strict = false});
    const Outcome refused = bench.try_add(probe_file, "probe-rogue", "rogue", {{"fail", "no reason"}});
    EXPECT_THAT(refused.text, HasSubstr("no reason"));
    EXPECT_THAT(bench.violations(), IsEmpty());
    EXPECT_FALSE(bench.try_add(probe_file, "probe-rogue", "rogue", {{"fail", "silently"}}));
    EXPECT_THAT(bench.take_violations(), ElementsAre(HasSubstr("without explaining")));
    bench.add(probe_file, "probe-rogue", "rogue");
}

TEST(Contract, WhatADeviceLeavesBehindIsCounted) {
    Bench bench;
    bench.add(probe_file, "probe-rogue", "rogue", {{"leak", "true"}});
    EXPECT_EQ(bench.device("rogue").holdings().regions, 1u);
    const Holdings left = bench.remove("rogue");
    EXPECT_EQ(left.timers, 1u);
    EXPECT_EQ(left.total(), 1u);
}

TEST(Contract, PluginFilesAreChecked) {
    const PluginFile file(probe_file);
    EXPECT_STREQ(file.plugin().name, "testkit-probe");
    EXPECT_NE(file.find("probe-pci"), nullptr);
    EXPECT_EQ(file.find("prob"), nullptr);
    EXPECT_THAT(PluginFile::exported_symbols(probe_file), ElementsAre(PLUGBAY_PLUGIN_SYMBOL));
    EXPECT_THROW(PluginFile("/nowhere.so"), Error);
    EXPECT_THROW(PluginFile("libc.so.6"), Error);
    Bench bench;
    EXPECT_EQ(bench.try_add(probe_file, "nothing", "x").status, PLUGBAY_NOT_FOUND);
}

} // namespace
} // namespace plugbay::testkit
