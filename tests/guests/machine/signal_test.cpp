// Signals end a machine whatever its guest does.
#include "machine_test.hpp"

#include <csignal>

// Each says "!" first.
asm(R"(
.macro say_ready
    movl $0x3f8, %edx
    movb $'!', %al
    outb %al, %dx
.endm
)");

asm(PLUGBAY_GUEST_BEGIN(endless_loop) R"(
    .code16
    say_ready
1:  jmp 1b
)" PLUGBAY_GUEST_END(endless_loop));
PLUGBAY_GUEST_DECLARE(endless_loop)

asm(PLUGBAY_GUEST_BEGIN(dead_halt) R"(
    .code16
    say_ready
    cli
1:  hlt
    jmp 1b
)" PLUGBAY_GUEST_END(dead_halt));
PLUGBAY_GUEST_DECLARE(dead_halt)

asm(PLUGBAY_GUEST_BEGIN(port_flood) R"(
    .code16
    say_ready
    movw $0x402, %dx
1:  outb %al, %dx
    jmp 1b
)" PLUGBAY_GUEST_END(port_flood));
PLUGBAY_GUEST_DECLARE(port_flood)

asm(PLUGBAY_GUEST_BEGIN(string_flood) R"(
    .code32
    cld
    say_ready
    movl $0x402, %edx
1:  movl $0x100000, %esi
    movl $0x100000, %ecx
    rep outsb
    jmp 1b
)" PLUGBAY_GUEST_END(string_flood));
PLUGBAY_GUEST_DECLARE(string_flood)

// Writes to the terminal as fast as it takes it.
asm(PLUGBAY_GUEST_BEGIN(terminal_flood) R"(
    .code16
    movb $'!', %cl
1:  movw $0x3fd, %dx
    inb %dx, %al
    testb $0x20, %al
    jz 1b
    movw $0x3f8, %dx
    movb %cl, %al
    outb %al, %dx
    jmp 1b
)" PLUGBAY_GUEST_END(terminal_flood));
PLUGBAY_GUEST_DECLARE(terminal_flood)

// The read never returns.
asm(PLUGBAY_GUEST_BEGIN(swallowed) R"(
    .code16
    say_ready
    movw $0x707, %dx
    inb %dx, %al
    hlt
)" PLUGBAY_GUEST_END(swallowed));
PLUGBAY_GUEST_DECLARE(swallowed)

namespace plugbay::end_to_end {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Guest {
    const char* name;
    GuestProgram (*program)();
    MachineOptions options;
};
struct SignalCase {
    Guest guest;
    int number;
};

class Signal : public MachineTest, public ::testing::WithParamInterface<SignalCase> {};

TEST_P(Signal, EndsTheMachine) {
    const auto& [guest, number] = GetParam();
    const std::string debugcon = R"(, { "type": "debugcon", "id": "debug" })";
    Child child(
        plugbay_command({"run", prepare(guest.program(), serial_to_stdio + debugcon, guest.options)}));
    ASSERT_TRUE(child.wait_for_output("!", seconds(20))) << child.finish(milliseconds(1)).text();
    const auto sent = std::chrono::steady_clock::now();
    child.send_signal(number);
    const Outcome outcome = child.finish(seconds(20));
    EXPECT_EQ(outcome.status, 128 + number) << outcome.text();
    EXPECT_FALSE(outcome.left_children);
    EXPECT_EQ(outcome.errors, "");
    EXPECT_LT(std::chrono::steady_clock::now() - sent, seconds(10));
}

std::vector<SignalCase> signal_cases() {
    std::vector<SignalCase> cases;
    for (const Guest& guest : {Guest{"EndlessLoop", guest_program_endless_loop, {}},
                               Guest{"HaltWithoutInterrupts", guest_program_dead_halt, {}},
                               Guest{"PortFlood", guest_program_port_flood, {}},
                               Guest{"StringFlood", guest_program_string_flood, protected_32()},
                               Guest{"TerminalFlood", guest_program_terminal_flood, {}}}) {
        for (const int number : {SIGINT, SIGTERM})
            cases.push_back({guest, number});
    }
    return cases;
}
INSTANTIATE_TEST_SUITE_P(Guests, Signal, ::testing::ValuesIn(signal_cases()), [](const auto& chosen) {
    return std::string(chosen.param.guest.name) + (chosen.param.number == SIGINT ? "Interrupt" : "Terminate");
});

class Signals : public MachineTest {};

TEST_F(Signals, EndAMachineWhoseTerminalNobodyReads) {
    const auto file = prepare(guest_program_terminal_flood(), serial_to_stdio);
    Child child(plugbay_command({"run", file}));
    ASSERT_TRUE(child.wait_for_output("!", seconds(20)));
    ::usleep(500'000); // the pipe fills up
    child.send_signal(SIGTERM);
    const Outcome outcome = child.finish(seconds(20));
    EXPECT_EQ(outcome.status, 128 + SIGTERM) << outcome.text();
}

TEST_F(Signals, EndAllVcpus) {
    MachineOptions options;
    options.cpus = 4;
    Child child(plugbay_command({"run", prepare(guest_program_endless_loop(), serial_to_stdio, options)}));
    ASSERT_TRUE(child.wait_for_output("!", seconds(20)));
    child.send_signal(SIGTERM);
    const Outcome outcome = child.finish(seconds(20));
    EXPECT_EQ(outcome.status, 128 + SIGTERM) << outcome.text();
    EXPECT_FALSE(outcome.left_children);
}

TEST_F(Signals, EndAMachineWhoseDeviceHangs) {
    MachineOptions options;
    options.more = R"("plugins": [")" HANGING_PLUGIN R"("], )";
    const std::string specimen = R"(, { "type": "specimen", "id": "hung", "port": "0x700" })";
    Child child(
        plugbay_command({"run", prepare(guest_program_swallowed(), serial_to_stdio + specimen, options)}));
    ASSERT_TRUE(child.wait_for_output("!", seconds(20))) << child.finish(milliseconds(1)).text();
    ::usleep(200'000); // the next instruction
    child.send_signal(SIGTERM);
    const Outcome outcome = child.finish(seconds(40));
    EXPECT_EQ(outcome.status, 128 + SIGTERM) << outcome.text();
    EXPECT_NE(outcome.errors.find("vcpu0 does not stop: it is still inside device \"hung\""),
              std::string::npos)
        << outcome.errors;
}

// The guest loops on; the tree goes to standard error, and the machine with it.
TEST_F(Signals, UserSignalPrintsTheDevices) {
    Child child(plugbay_command({"run", prepare(guest_program_endless_loop(), serial_to_stdio)}));
    ASSERT_TRUE(child.wait_for_output("!", seconds(20)));
    child.send_signal(SIGUSR1);
    ::usleep(500'000); // signals of different numbers keep no order
    child.send_signal(SIGTERM);
    const Outcome outcome = child.finish(seconds(20));
    EXPECT_EQ(outcome.status, 128 + SIGTERM) << outcome.text();
    EXPECT_NE(outcome.errors.find("(serial-16550)\n    ports 0x3f8-0x3ff\n    interrupt line 4\n"),
              std::string::npos)
        << outcome.errors;
    EXPECT_NE(outcome.errors.find("    char/1 <- "), std::string::npos) << outcome.errors;
    EXPECT_NE(outcome.errors.find("(char-stdio)"), std::string::npos) << outcome.errors;
}

} // namespace
} // namespace plugbay::end_to_end
