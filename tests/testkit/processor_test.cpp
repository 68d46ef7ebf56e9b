// Hooks of the guest's processor.
#include "probe_bench.hpp"

namespace plugbay::testkit {
namespace {

using testing::HasSubstr;

TEST(ProcessorHooks, MsrsReachTheirDevice) {
    Bench bench;
    bench.add(probe_file, "probe-msr", "m");
    bench.start();
    EXPECT_TRUE(bench.wrmsr(0x50420003, 0x123456789abcdef0));
    EXPECT_EQ(bench.rdmsr(0x50420003), 0x123456789abcdef0u);
    EXPECT_EQ(bench.rdmsr(0x50420000), 0u);
    EXPECT_FALSE(bench.wrmsr(0x50420000, 0xdead));
    EXPECT_EQ(bench.rdmsr(0x50420004), std::nullopt);
    EXPECT_EQ(bench.rdmsr(0x5041ffff), std::nullopt);
    bench.quiesce();
    EXPECT_EQ(bench.device("m").holdings().msrs, 1u);
    EXPECT_EQ(bench.remove("m").total(), 0u);
    bench.resume();
    EXPECT_EQ(bench.rdmsr(0x50420003), std::nullopt);
}

TEST(ProcessorHooks, MsrsHaveOneOwner) {
    Bench bench;
    bench.add(probe_file, "probe-msr", "one");
    const Outcome outcome = bench.try_add(probe_file, "probe-msr", "two", {{"first", "0x50420003"}});
    EXPECT_EQ(outcome.status, PLUGBAY_TAKEN);
    EXPECT_THAT(outcome.text, testing::AllOf(HasSubstr("\"one\""), HasSubstr("\"two\"")));
    EXPECT_TRUE(bench.try_add(probe_file, "probe-msr", "three", {{"first", "0x50420004"}}));
    EXPECT_EQ(bench.try_add(probe_file, "probe-msr", "x", {{"first", "0x7fd"}}).status, PLUGBAY_INVALID);
    EXPECT_EQ(bench.try_add(probe_file, "probe-msr", "x", {{"first", "0xfffffffd"}}).status, PLUGBAY_INVALID);
    EXPECT_TRUE(bench.try_add(probe_file, "probe-msr", "last", {{"first", "0xfffffffc"}, {"flags", "1"}}));
    bench.start();
    EXPECT_EQ(bench.rdmsr(0xffffffff), 0u);
    EXPECT_FALSE(bench.wrmsr(0xffffffff, 1));
}

} // namespace
} // namespace plugbay::testkit
