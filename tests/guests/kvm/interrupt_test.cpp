// Interrupts from outside into a halted vCPU, ioeventfds, and the start of a second vCPU.
#include "guest_test.hpp"
#include "tests/guests/guest_assembly.hpp"

#include <thread>

// What the programs below begin and end with.
asm(R"(
.macro say_ready
    movl $0xf5, %edx
    outb %al, %dx
.endm
.macro halt_for_interrupts
    sti
0:  hlt
    jmp 0b
.endm
)");

// Local APIC on, say ready on port 0xf5, halt; the interrupt handler reports.
asm(PLUGBAY_GUEST_BEGIN(wait_for_interrupt) R"(
    enable_local_apic
    say_ready
    halt_for_interrupts
)" PLUGBAY_GUEST_END(wait_for_interrupt));
PLUGBAY_GUEST_DECLARE(wait_for_interrupt)

asm(PLUGBAY_GUEST_BEGIN(report_handler) R"(
    movl $0x40, %eax
    report %al
)" PLUGBAY_GUEST_END(report_handler));
PLUGBAY_GUEST_DECLARE(report_handler)

// Both PICs masked, since KVM starts with LINT0 open for them. IOAPIC pin 5: vector 0x40, level-triggered, to
// APIC 0.
asm(PLUGBAY_GUEST_BEGIN(wait_for_level) R"(
    mask_pics
    route_pin 5, 0x8040
    enable_local_apic
    say_ready
    halt_for_interrupts
)" PLUGBAY_GUEST_END(wait_for_level));
PLUGBAY_GUEST_DECLARE(wait_for_level)

// Ends the interrupt at the local APIC, then reports.
asm(PLUGBAY_GUEST_BEGIN(eoi_handler) R"(
    movl $0xfee00000, %edi
    movl $0, 0xb0(%rdi)
    movl $0x40, %eax
    report %al
)" PLUGBAY_GUEST_END(eoi_handler));
PLUGBAY_GUEST_DECLARE(eoi_handler)

// As before, with IOAPIC pin 2 (the PIT), edge; PIT channel 0 in mode 0, 1193 ticks.
asm(PLUGBAY_GUEST_BEGIN(wait_for_pit) R"(
    mask_pics
    route_pin 2, 0x40
    enable_local_apic
    movb $0x30, %al
    outb %al, $0x43
    movb $0xa9, %al
    outb %al, $0x40
    movb $0x04, %al
    outb %al, $0x40
    halt_for_interrupts
)" PLUGBAY_GUEST_END(wait_for_pit));
PLUGBAY_GUEST_DECLARE(wait_for_pit)

asm(PLUGBAY_GUEST_BEGIN(doorbells) R"(
    movl $0xd0000000, %edi
    movl $7, (%rdi)
    movl $8, (%rdi)
    movw $7, 0x10(%rdi)
    movl $0x200, %edx
    movl $1, %eax
    outw %ax, %dx
    report %al
)" PLUGBAY_GUEST_END(doorbells));
PLUGBAY_GUEST_DECLARE(doorbells)

// INIT, then SIPI with vector 0x08 to APIC 1, then wait for its mark in memory.
asm(PLUGBAY_GUEST_BEGIN(start_second) R"(
    enable_local_apic
    movl $0x01000000, 0x310(%rdi)
    movl $0x00004500, 0x300(%rdi)
    movl $0x01000000, 0x310(%rdi)
    movl $0x00004608, 0x300(%rdi)
    movl $0x20000, %esi
0:  pause
    cmpw $0x1234, (%rsi)
    jne 0b
    movl 2(%rsi), %eax
    report %ax
)" PLUGBAY_GUEST_END(start_second));
PLUGBAY_GUEST_DECLARE(start_second)

// The second vCPU, in real mode at 0x8000: its APIC id from CPUID to 0x20002, then the mark.
asm(PLUGBAY_GUEST_BEGIN(second) R"(
    .code16
    movl $1, %eax
    cpuid
    shrl $24, %ebx
    movw $0x2000, %ax
    movw %ax, %ds
    movw %bx, 2
    movw $0x1234, 0
0:  hlt
    jmp 0b
)" PLUGBAY_GUEST_END(second));
PLUGBAY_GUEST_DECLARE(second)

namespace plugbay::core {
namespace {

constexpr std::uint8_t vector = 0x40;
constexpr MsiMessage message{0xFEE0'0000, vector};
constexpr std::chrono::milliseconds until_halted{50};

class InterruptTest : public GuestTest {
  protected:
    std::shared_ptr<TinyGuest> make_waiting(GuestProgram program, GuestProgram handler) {
        TinyGuest::Options options;
        options.irqchip = true;
        auto guest = make(program, options);
        if (guest && !guest->set_handler(vector, handler)) return nullptr;
        return guest;
    }

    // Calls `raise` from another thread a while after the guest said that it is ready.
    std::optional<std::uint32_t> run_and_raise(const std::shared_ptr<TinyGuest>& guest,
                                               const std::function<void()>& raise) {
        std::thread raiser;
        const auto report = run(guest, [&](VcpuExit& exit) {
            EXPECT_EQ(exit.port.port, 0xF5);
            raiser = std::thread([&] {
                std::this_thread::sleep_for(until_halted);
                raise();
            });
            return true;
        });
        if (raiser.joinable()) raiser.join();
        return report;
    }
};

TEST_F(InterruptTest, AnIrqfdWithAnMsiRouteWakesHalt) {
    const auto guest = make_waiting(guest_program_wait_for_interrupt(), guest_program_report_handler());
    ASSERT_TRUE(guest);
    const auto gsi = guest->vm().allocate_msi_gsi();
    ASSERT_TRUE(gsi) << gsi.error().text();
    const auto routed = guest->vm().set_msi_route(*gsi, message);
    ASSERT_TRUE(routed) << routed.error().text();
    const TestEvent event;
    const auto assigned = guest->vm().assign_irqfd(event.file(), *gsi);
    ASSERT_TRUE(assigned) << assigned.error().text();
    const auto report = run_and_raise(guest, [&] { event.signal(); });
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(report, vector);
    EXPECT_TRUE(guest->vm().deassign_irqfd(event.file(), *gsi));
    guest->vm().release_msi_gsi(*gsi);
}

TEST_F(InterruptTest, AnMsiWithoutARouteWakesHalt) {
    const auto guest = make_waiting(guest_program_wait_for_interrupt(), guest_program_report_handler());
    ASSERT_TRUE(guest);
    const auto report = run_and_raise(guest, [&] {
        const auto sent = guest->vm().signal_msi(message);
        EXPECT_TRUE(sent && *sent);
    });
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(report, vector);
}

TEST_F(InterruptTest, ALevelIrqfdIsResampledAtTheEndOfTheInterrupt) {
    if (!system_->has(KvmCapability::irqfd_resample)) GTEST_SKIP() << "this KVM has no IRQFD_RESAMPLE";
    const auto guest = make_waiting(guest_program_wait_for_level(), guest_program_eoi_handler());
    ASSERT_TRUE(guest);
    const TestEvent event;
    const TestEvent resample;
    const auto assigned = guest->vm().assign_irqfd(event.file(), 5, resample.file());
    ASSERT_TRUE(assigned) << assigned.error().text();
    const auto report = run_and_raise(guest, [&] {
        EXPECT_EQ(resample.take(), 0U);
        event.signal();
    });
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(report, vector);
    EXPECT_EQ(resample.take(), 1U);
    EXPECT_TRUE(guest->vm().deassign_irqfd(event.file(), 5));
}

TEST_F(InterruptTest, AnInterruptLineWakesHalt) {
    const auto guest = make_waiting(guest_program_wait_for_level(), guest_program_eoi_handler());
    ASSERT_TRUE(guest);
    const auto report = run_and_raise(guest, [&] { EXPECT_TRUE(guest->vm().set_irq_line(5, true)); });
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(report, vector);
    EXPECT_TRUE(guest->vm().set_irq_line(5, false));
}

TEST_F(InterruptTest, ThePitArrivesAtPin2) {
    const auto guest = make_waiting(guest_program_wait_for_pit(), guest_program_eoi_handler());
    ASSERT_TRUE(guest);
    const auto report = run(guest);
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(report, vector);
}

TEST_F(InterruptTest, ManyRoutesAreSetInOneCall) {
    TinyGuest::Options options;
    options.irqchip = true;
    const auto guest = make(guest_program_doorbells(), options);
    ASSERT_TRUE(guest);
    std::vector<KvmVm::MsiRouteChange> changes;
    for (std::uint32_t i = 0; i < 64; ++i) {
        const auto gsi = guest->vm().allocate_msi_gsi();
        ASSERT_TRUE(gsi);
        changes.emplace_back(*gsi, MsiMessage{0xFEE0'0000, 0x30 + i});
    }
    const auto set = guest->vm().set_msi_routes(changes);
    EXPECT_TRUE(set) << set.error().text();
    for (auto& change : changes)
        change.second.reset();
    EXPECT_TRUE(guest->vm().set_msi_routes(changes));
    EXPECT_FALSE(guest->vm().set_msi_route(4000, message)) << "never allocated";
}

TEST_F(InterruptTest, IoeventfdsTakeWritesWithoutAnExit) {
    const auto guest = make(guest_program_doorbells());
    ASSERT_TRUE(guest);
    using Space = IoeventfdRequest::Space;
    const TestEvent any;
    const TestEvent seven;
    const TestEvent port;
    const bool any_length = system_->has(KvmCapability::ioeventfd_any_length);
    auto first = guest->vm().add_ioeventfd(
        {Space::mmio, TinyGuest::device_address, 4, std::uint64_t{7}, seven.file()});
    ASSERT_TRUE(first) << first.error().text();
    auto second = guest->vm().add_ioeventfd(
        {Space::mmio, TinyGuest::device_address + 0x10, any_length ? 0U : 2U, std::nullopt, any.file()});
    ASSERT_TRUE(second) << second.error().text();
    auto third = guest->vm().add_ioeventfd({Space::port, 0x200, 2, std::nullopt, port.file()});
    ASSERT_TRUE(third) << third.error().text();

    int exits = 0;
    EXPECT_TRUE(run(guest, [&](VcpuExit& exit) {
        ++exits;
        EXPECT_EQ(exit.kind, VcpuExit::Kind::mmio_write);
        EXPECT_EQ(exit.mmio.address, TinyGuest::device_address);
        EXPECT_EQ(*exit.mmio.data, std::byte{8}) << "the value that does not match";
        return true;
    }));
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(exits, 1);
    EXPECT_EQ(seven.take(), 1U);
    EXPECT_EQ(any.take(), 1U);
    EXPECT_EQ(port.take(), 1U);
}

TEST_F(InterruptTest, ADestroyedIoeventfdIsGone) {
    const auto guest = make(guest_program_doorbells());
    ASSERT_TRUE(guest);
    const TestEvent event;
    const IoeventfdRequest request{IoeventfdRequest::Space::port, 0x200, 2, std::nullopt, event.file()};
    {
        auto handle = guest->vm().add_ioeventfd(request);
        ASSERT_TRUE(handle) << handle.error().text();
        EXPECT_FALSE(guest->vm().add_ioeventfd(request)) << "the same twice";
        const Ioeventfd moved = *std::move(handle);
        EXPECT_TRUE(moved);
    }
    bool port_seen = false;
    EXPECT_TRUE(run(guest, [&](VcpuExit& exit) {
        if (exit.kind == VcpuExit::Kind::port_out) port_seen = true;
        return true;
    }));
    SKIP_IF_UNSUPPORTED();
    EXPECT_TRUE(port_seen);
    EXPECT_EQ(event.take(), 0U);
}

TEST_F(InterruptTest, IoeventfdRequestsAreChecked) {
    const auto guest = make(guest_program_doorbells());
    ASSERT_TRUE(guest);
    const TestEvent event;
    using Space = IoeventfdRequest::Space;
    EXPECT_FALSE(guest->vm().add_ioeventfd({Space::port, 0x200, 3, std::nullopt, event.file()}));
    EXPECT_FALSE(guest->vm().add_ioeventfd({Space::mmio, 0x200, 0, std::uint64_t{1}, event.file()}));
    EXPECT_FALSE(guest->vm().add_ioeventfd({Space::mmio, 0x200, 4, std::nullopt, -1}));
}

TEST_F(InterruptTest, InitAndSipiStartTheSecondVcpu) {
    TinyGuest::Options options;
    options.irqchip = true;
    options.vcpus = 2;
    const auto guest = make(guest_program_start_second(), options);
    ASSERT_TRUE(guest);
    ASSERT_TRUE(guest->memory().write(0x8000, guest_program_second()));
    std::string second_exit;
    std::atomic<bool> stop{false};
    std::thread second([&] {
        while (!stop.load()) {
            const auto exit = guest->vcpu(1).run();
            if (exit.kind == VcpuExit::Kind::interrupted) continue;
            second_exit = describe_exit(exit);
            return;
        }
    });
    const auto report = run(guest);
    stop.store(true);
    guest->vcpu(1).request_exit();
    second.join();
    SKIP_IF_UNSUPPORTED();
    EXPECT_EQ(second_exit, "");
    EXPECT_EQ(report, 1U) << "the APIC id that the second vCPU sees";
}

} // namespace
} // namespace plugbay::core
