// Leaving a guest: triple fault, request_exit(), and what the dump says. And the probe.
#include "guest_test.hpp"

#include "core/kvm/kvm_probe.hpp"

#include <pthread.h>

#include <csignal>
#include <thread>

asm(PLUGBAY_GUEST_BEGIN(endless) "0: jmp 0b\n" PLUGBAY_GUEST_END(endless));
PLUGBAY_GUEST_DECLARE(endless)

asm(PLUGBAY_GUEST_BEGIN(page_fault_without_handler) R"(
    movl $0x80000000, %edi
    movb $1, (%rdi)
)" PLUGBAY_GUEST_END(page_fault_without_handler));
PLUGBAY_GUEST_DECLARE(page_fault_without_handler)

asm(PLUGBAY_GUEST_BEGIN(halt) "0: hlt\n jmp 0b\n" PLUGBAY_GUEST_END(halt));
PLUGBAY_GUEST_DECLARE(halt)

asm(PLUGBAY_GUEST_BEGIN(unknown_msr) R"(
    movl $0x12345, %ecx
    movl $7, %eax
    xorl %edx, %edx
    wrmsr
    rdmsr
    report %eax
)" PLUGBAY_GUEST_END(unknown_msr));
PLUGBAY_GUEST_DECLARE(unknown_msr)

namespace plugbay::core {
namespace {

using Kind = VcpuExit::Kind;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;

TEST_F(GuestTest, ATripleFaultIsAShutdownAndTheDumpShowsTheCode) {
    const auto guest = make(guest_program_page_fault_without_handler());
    ASSERT_TRUE(guest);
    auto special = guest->vcpu().special_registers();
    ASSERT_TRUE(special);
    special->idt.limit = 0;
    ASSERT_TRUE(guest->vcpu().set_special_registers(*special));
    Kind kind = Kind::unknown;
    std::string text;
    std::vector<std::string> dump;
    const auto end = run_guarded(
        guest, 0,
        [&](VcpuExit& exit) {
            kind = exit.kind;
            text = describe_exit(exit);
            dump = dump_vcpu(guest->vcpu(), guest->memory());
            return false;
        },
        guest_limit);
    EXPECT_EQ(end, GuardedEnd::finished);
    EXPECT_EQ(kind, Kind::shutdown) << text;
    // The guest's state, or, on AMD's processors, what KVM puts in the place of the state that is lost.
    EXPECT_THAT(dump, Contains(AnyOf(HasSubstr("cr3 0000000000002000"), HasSubstr("rip 000000000000fff0"))));
    EXPECT_THAT(dump, Contains(HasSubstr("code at ")));
    for (const auto& line : dump)
        RecordProperty("dump", line);
}

TEST_F(GuestTest, TheDumpShowsTheBytesAtRip) {
    const auto guest = make(guest_program_page_fault_without_handler());
    ASSERT_TRUE(guest);
    const auto dump = dump_vcpu(guest->vcpu(), guest->memory());
    EXPECT_THAT(dump, Contains(HasSubstr("<bf> 00 00 00 80 c6 07 01")))
        << "mov $0x80000000, %edi; movb $1, (%rdi)";
}

TEST_F(GuestTest, AnEndlessLoopCanBeLeft) {
    const auto guest = make(guest_program_endless());
    ASSERT_TRUE(guest);
    EXPECT_EQ(run_guarded(
                  guest, 0, [](VcpuExit&) { return false; }, std::chrono::milliseconds(100)),
              GuardedEnd::timed_out);
}

TEST_F(GuestTest, HaltInsideTheKernelCanBeLeft) {
    TinyGuest::Options options;
    options.irqchip = true;
    const auto guest = make(guest_program_halt(), options);
    ASSERT_TRUE(guest);
    EXPECT_EQ(run_guarded(
                  guest, 0, [](VcpuExit&) { return false; }, std::chrono::milliseconds(100)),
              GuardedEnd::timed_out);
}

TEST_F(GuestTest, HaltWithoutAnIrqchipIsAnExit) {
    const auto guest = make(guest_program_halt());
    ASSERT_TRUE(guest);
    Kind kind = Kind::unknown;
    (void)run_guarded(
        guest, 0,
        [&](VcpuExit& exit) {
            kind = exit.kind;
            return false;
        },
        guest_limit);
    EXPECT_EQ(kind, Kind::halt);
}

// On this thread, which would hang if the request were lost.
TEST_F(GuestTest, ARequestBeforeTheFirstRunIsKept) {
    const auto guest = make(guest_program_endless());
    ASSERT_TRUE(guest);
    guest->vcpu().request_exit();
    guest->vcpu().request_exit();
    EXPECT_EQ(guest->vcpu().run().kind, Kind::interrupted);
}

TEST_F(GuestTest, CompletingIoKeepsARequestPending) {
    const auto guest = make(guest_program_endless());
    ASSERT_TRUE(guest);
    guest->vcpu().request_exit();
    EXPECT_EQ(guest->vcpu().complete_pending_io().kind, Kind::interrupted);
    EXPECT_EQ(guest->vcpu().run().kind, Kind::interrupted);
}

// Each request must be answered whatever moment it falls into, also on a thread that started with every
// signal blocked.
TEST_F(GuestTest, NoRequestIsEverLost) {
    const auto guest = make(guest_program_endless());
    ASSERT_TRUE(guest);
    std::atomic<std::uint32_t> asked{0};
    std::atomic<std::uint32_t> answered{0};
    std::atomic<bool> stop{false};
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    std::thread runner([&] {
        while (!stop.load()) {
            if (guest->vcpu().run().kind != Kind::interrupted) break;
            answered.store(asked.load());
        }
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);

    // As many as fit into a second: on a busy machine a round takes some scheduler ticks.
    using Clock = std::chrono::steady_clock;
    const auto enough = Clock::now() + std::chrono::seconds(1);
    std::uint32_t round = 0;
    do {
        asked.store(++round);
        guest->vcpu().request_exit();
        const auto lost = Clock::now() + guest_limit;
        while (answered.load() < round && Clock::now() < lost)
            std::this_thread::yield();
    } while (answered.load() == round && Clock::now() < enough);
    EXPECT_EQ(answered.load(), round);
    stop.store(true);
    guest->vcpu().request_exit();
    runner.join();
}

TEST_F(GuestTest, UnknownMsrsAreExits) {
    if (!system_->has(KvmCapability::user_space_msr)) GTEST_SKIP() << "this KVM has no X86_USER_SPACE_MSR";
    const auto guest = make(guest_program_unknown_msr());
    ASSERT_TRUE(guest);
    const auto enabled = guest->vm().enable_msr_exits();
    ASSERT_TRUE(enabled) << enabled.error().text();
    std::uint64_t stored = 0;
    const auto report = run(guest, [&](VcpuExit& exit) {
        EXPECT_EQ(exit.msr.index, 0x12345U);
        if (exit.kind == Kind::write_msr) stored = *exit.msr.value;
        if (exit.kind == Kind::read_msr) *exit.msr.value = stored + 1;
        return true;
    });
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(report, 8U);
}

TEST_F(GuestTest, BootDefaultsAreAccepted) {
    TinyGuest::Options options;
    options.irqchip = true;
    const auto guest = make(guest_program_halt(), options);
    ASSERT_TRUE(guest);
    const auto defaults = guest->vcpu().set_boot_defaults();
    RecordProperty("local_interrupts", defaults.local_interrupts ? "yes" : "no");
    RecordProperty("fast_strings", defaults.fast_strings ? "yes" : "no");
    RecordProperty("write_back_default", defaults.write_back_default ? "yes" : "no");
    EXPECT_TRUE(defaults.local_interrupts);
}

TEST_F(GuestTest, RegistersComeBackAsSet) {
    const auto guest = make(guest_program_halt());
    ASSERT_TRUE(guest);
    auto general = guest->vcpu().general_registers();
    ASSERT_TRUE(general);
    general->r15 = 0x1122334455667788;
    general->rbp = 42;
    ASSERT_TRUE(guest->vcpu().set_general_registers(*general));
    EXPECT_EQ(*guest->vcpu().general_registers(), *general);
    const auto special = guest->vcpu().special_registers();
    ASSERT_TRUE(special);
    ASSERT_TRUE(guest->vcpu().set_special_registers(*special));
    EXPECT_EQ(*guest->vcpu().special_registers(), *special);
}

TEST_F(GuestTest, TheProbeEndsWithAVerdict) {
    const auto report = probe_kvm();
    EXPECT_NE(report.verdict, KvmVerdict::none);
    EXPECT_EQ(report.verdict == KvmVerdict::full, report.reasons.empty());
    EXPECT_TRUE(report.port_exit_nanoseconds);
    EXPECT_TRUE(report.kernel_instructions_per_second);
}

} // namespace
} // namespace plugbay::core
