// Breakpoints, watchpoints and single steps.
#include "guest_test.hpp"

// 0: nop; 1: mov (5 bytes); 6: mov to memory (11 bytes); 0x11: int3; 0x12: report.
asm(PLUGBAY_GUEST_BEGIN(debugged) R"(
    nop
    movl $5, %eax
    movl $7, 0x20000
    int3
    report %eax
)" PLUGBAY_GUEST_END(debugged));
PLUGBAY_GUEST_DECLARE(debugged)

asm(PLUGBAY_GUEST_BEGIN(breakpoint_handler) R"(
    movl $9, %eax
    iretq
)" PLUGBAY_GUEST_END(breakpoint_handler));
PLUGBAY_GUEST_DECLARE(breakpoint_handler)

namespace plugbay::core {
namespace {

using Kind = VcpuExit::Kind;

constexpr std::uint64_t start = TinyGuest::program_address;
constexpr std::uint64_t store = start + 6;
constexpr std::uint64_t breakpoint = start + 0x11;

class DebugTest : public GuestTest {
  protected:
    void SetUp() override {
        GuestTest::SetUp();
        if (IsSkipped()) return;
        if (!system_->has(KvmCapability::guest_debug)) GTEST_SKIP() << "this KVM has no SET_GUEST_DEBUG";
        guest_ = make(guest_program_debugged());
        ASSERT_TRUE(guest_);
        ASSERT_TRUE(guest_->set_handler(3, guest_program_breakpoint_handler()));
    }

    // Runs to the next exit. The vCPU runs on a thread that ends with it.
    VcpuExit next() {
        VcpuExit last;
        const auto end = run_guarded(
            guest_, 0,
            [&](VcpuExit& exit) {
                last = exit;
                return false;
            },
            guest_limit);
        EXPECT_EQ(end, GuardedEnd::finished);
        return last;
    }
    // The same, where a KVM that only claims to debug runs past.
    std::optional<VcpuExit> next_debug() {
        const VcpuExit exit = next();
        if (exit.kind == Kind::debug) return exit;
        unsupported_ = "instead of a debug exit came " + describe_exit(exit);
        return std::nullopt;
    }
    void set(const VcpuDebug& debug) {
        const auto done = guest_->vcpu().set_debug(debug);
        if (!done) unsupported_ = done.error().text();
    }
    std::uint64_t rip() { return guest_->vcpu().general_registers()->rip; }

    std::shared_ptr<TinyGuest> guest_;
};

TEST_F(DebugTest, SingleStepsEndAfterOneInstruction) {
    for (const std::uint64_t expected : {start + 1, store, breakpoint}) {
        set({.single_step = true});
        SKIP_IF_UNSUPPORTED();
        const auto exit = next_debug();
        SKIP_IF_UNSUPPORTED();
        EXPECT_EQ(exit->debug.exception, 1U);
        EXPECT_EQ(exit->debug.address, expected);
        EXPECT_EQ(rip(), expected);
    }
    EXPECT_EQ(guest_->vcpu().general_registers()->rflags & 0x100, 0U) << "the guest's trap flag";
}

TEST_F(DebugTest, ExecutionBreakpointsStopBeforeTheInstruction) {
    VcpuDebug debug;
    debug.slots[2] = HardwareBreakpoint{.address = store};
    set(debug);
    SKIP_IF_UNSUPPORTED();
    const auto exit = next_debug();
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(exit->debug.exception, 1U);
    EXPECT_EQ(exit->debug.status & 0xF, 4U);
    EXPECT_EQ(exit->debug.address, store);
}

TEST_F(DebugTest, WatchpointsStopAfterTheInstruction) {
    VcpuDebug debug;
    debug.slots[1] =
        HardwareBreakpoint{.kind = HardwareBreakpoint::Kind::write, .length = 4, .address = 0x20000};
    set(debug);
    SKIP_IF_UNSUPPORTED();
    const auto exit = next_debug();
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(exit->debug.status & 0xF, 2U);
    EXPECT_EQ(exit->debug.address, breakpoint);
}

TEST_F(DebugTest, SoftwareBreakpointsAreExitsAndCanBeGivenToTheGuest) {
    const VcpuDebug debug{.software_breakpoints = true};
    set(debug);
    SKIP_IF_UNSUPPORTED();
    const auto exit = next_debug();
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(exit->debug.exception, 3U);
    EXPECT_EQ(exit->debug.address, breakpoint);
    EXPECT_EQ(rip(), breakpoint);
    const auto given = guest_->vcpu().reflect_debug(exit->debug, debug);
    ASSERT_TRUE(given) << given.error().text();
    const VcpuExit report = next();
    ASSERT_EQ(report.kind, Kind::port_out) << describe_exit(report);
    EXPECT_EQ(static_cast<unsigned>(*report.port.data), 9U) << "the guest's handler ran";
}

TEST_F(DebugTest, FloatingRegistersComeBackAsSet) {
    auto floating = guest_->vcpu().floating_registers();
    ASSERT_TRUE(floating) << floating.error().text();
    floating->xmm[15][3] = 77;
    floating->stack[7][9] = 0x40;
    floating->tags = 0x80;
    ASSERT_TRUE(guest_->vcpu().set_floating_registers(*floating));
    EXPECT_EQ(*guest_->vcpu().floating_registers(), *floating);
}

} // namespace
} // namespace plugbay::core
