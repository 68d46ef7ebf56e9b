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

TEST(ProcessorHooks, CpuidIsChangedBitByBit) {
    Bench bench;
    bench.add(probe_file, "probe-cpuid", "leaf");
    bench.add(probe_file, "probe-cpuid", "bits",
              {{"leaf", "7"}, {"subleaf", "0"}, {"mask", "3"}, {"value", "2"}});
    const Outcome taken =
        bench.try_add(probe_file, "probe-cpuid", "more", {{"leaf", "7"}, {"subleaf", "0"}, {"mask", "6"}});
    EXPECT_EQ(taken.status, PLUGBAY_TAKEN);
    EXPECT_THAT(taken.text, testing::AllOf(HasSubstr("\"bits\""), HasSubstr("\"more\"")));
    EXPECT_TRUE(
        bench.try_add(probe_file, "probe-cpuid", "else", {{"leaf", "7"}, {"subleaf", "0"}, {"mask", "4"}}));
    EXPECT_EQ(bench.try_add(probe_file, "probe-cpuid", "own", {{"leaf", "0xb"}}).status, PLUGBAY_TAKEN);
    bench.start();
    EXPECT_EQ(bench.cpuid(0x40000200)[2], 0x33333333u);
    EXPECT_EQ(bench.cpuid(7, 0, {1, 2, 0xfd, 4}), (std::array<std::uint32_t, 4>{1, 2, 0xfa, 4}));
    EXPECT_EQ(bench.cpuid(7, 1, {1, 2, 3, 4}), (std::array<std::uint32_t, 4>{1, 2, 3, 4}));
    bench.quiesce();
    const Outcome late = bench.try_add(probe_file, "probe-cpuid", "late", {{"leaf", "0x40000300"}});
    EXPECT_EQ(late.status, PLUGBAY_FORBIDDEN);
    EXPECT_THAT(late.text, HasSubstr("has run"));
}

TEST(ProcessorHooks, HypercallsReachTheirDevice) {
    Bench bench;
    bench.add(probe_file, "probe-hypercall", "calls");
    EXPECT_EQ(bench.try_add(probe_file, "probe-hypercall", "too", {{"first", "0x103"}}).status,
              PLUGBAY_TAKEN);
    EXPECT_EQ(bench.try_add(probe_file, "probe-hypercall", "low", {{"first", "0xff"}}).status,
              PLUGBAY_INVALID);
    bench.start();
    EXPECT_EQ(bench.hypercall(0x100, 1, 20, 300, 4000), 4321u);
    EXPECT_EQ(bench.hypercall(0), PLUGBAY_HYPERCALL_VERSION);
    EXPECT_EQ(bench.hypercall(0x104), PLUGBAY_HYPERCALL_UNKNOWN);
    EXPECT_EQ(bench.hypercall(0x102), PLUGBAY_HYPERCALL_FAILED);
    EXPECT_EQ(bench.hypercall(0x103, 0x1000, 77), 1u);
    EXPECT_EQ(bench.load_object<std::uint64_t>(0x1000), 77u);
    EXPECT_EQ(bench.hypercall(0x103, 0x1000000, 77), 2u);
    plugbay_hypercall_registers registers{};
    registers.rax = 0x101;
    registers.r15 = 5;
    EXPECT_EQ(bench.hypercall(registers), 0u);
    EXPECT_EQ(registers.r15, ~std::uint64_t{5});
    bench.quiesce();
    EXPECT_EQ(bench.remove("calls").total(), 0u);
}

} // namespace
} // namespace plugbay::testkit
