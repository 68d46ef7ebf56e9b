// Resets and power-off by the registers of real machines.
#include "machine_test.hpp"

// The CMOS memory outlives a reset: byte 0x40 counts the runs. Each says its number; from the third on it
// ends with status 30 + number. Memory at 0x9000 has to be empty, or it ends with 99.
asm(R"(
.macro count_runs
    movb $0x40, %al
    outb %al, $0x70
    inb $0x71, %al
    incb %al
    outb %al, $0x71
    movb %al, %bl
    addb $0x30, %al
    movw $0x402, %dx
    outb %al, %dx
    movb $10, %al
    outb %al, %dx
    movb $99, %al
    cmpb $0, 0x9000
    jne 8f
    movb $1, 0x9000
    movb %bl, %al
    addb $30, %al
    cmpb $3, %bl
    jb 1f
8:  outb %al, $0xf4
9:  hlt
    jmp 9b
1:
.endm
)");

asm(PLUGBAY_GUEST_BEGIN(keyboard_reset) R"(
    .code16
    count_runs
    movb $0xfe, %al
    outb %al, $0x64
    jmp 9b
)" PLUGBAY_GUEST_END(keyboard_reset));
PLUGBAY_GUEST_DECLARE(keyboard_reset)

asm(PLUGBAY_GUEST_BEGIN(acpi_reset) R"(
    .code16
    count_runs
    movw $0x60c, %dx
    movb $1, %al
    outb %al, %dx
    jmp 9b
)" PLUGBAY_GUEST_END(acpi_reset));
PLUGBAY_GUEST_DECLARE(acpi_reset)

asm(PLUGBAY_GUEST_BEGIN(chipset_reset) R"(
    .code16
    count_runs
    movw $0xcf9, %dx
    movb $2, %al
    outb %al, %dx
    movb $6, %al
    outb %al, %dx
    jmp 9b
)" PLUGBAY_GUEST_END(chipset_reset));
PLUGBAY_GUEST_DECLARE(chipset_reset)

// Goes on at once after the reset: it must not get to the exit.
asm(PLUGBAY_GUEST_BEGIN(reset_and_exit) R"(
    .code16
    count_runs
    movb $0xfe, %al
    outb %al, $0x64
    movb $98, %al
    jmp 8b
)" PLUGBAY_GUEST_END(reset_and_exit));
PLUGBAY_GUEST_DECLARE(reset_and_exit)

// Each run finds the hooks as at power-on, or ends with 97; then uses them, sees that they work, and resets while a timer
// of 10 us runs, a line is up, and a deadline, rings, ticks and jobs are under way.
asm(PLUGBAY_GUEST_BEGIN(reset_in_use) R"(
    .code16
    movl $0x504c5501, %ecx
    rdmsr
    orl %edx, %eax
    jnz 7f
    read_port 0x71c
    testl %eax, %eax
    jnz 7f
    read_port 0x700
    testl %eax, %eax
    jnz 7f
    read_port 0x704
    testl %eax, %eax
    jnz 7f
    movw $0x3000, %ax
    movw %ax, %fs
    cmpl $0, %fs:0
    jne 7f
    jmp 6f
7:  movb $97, %al
    outb %al, $0xf4
    hlt
6:  count_runs
    movl $0x504c5501, %ecx
    movl $0x1234, %eax
    movl %eax, %edx
    wrmsr
    movl $0x0f0f0f0f, %fs:0
    cmpl $0xf0f0f0f0, %fs:0
    jne 7b
    write_port 0x71c, $5
    wait_for_port 0x71c, 5
    write_port 0x700, $1
    wait_for_port 0x700, 1
    write_port 0x704, $10
2:  read_port 0x704
    cmpl $20, %eax
    jb 2b
    write_port 0x700, $20000
    write_port 0x710, $1
    movl $8, %ecx
3:  write_port 0x708, $1
    write_port 0x70c, $1
    write_port 0x714, $1
    write_port 0x530, $1
    decl %ecx
    jnz 3b
    movb $0xfe, %al
    outb %al, $0x64
    jmp 9b
)" PLUGBAY_GUEST_END(reset_in_use));
PLUGBAY_GUEST_DECLARE(reset_in_use)

asm(PLUGBAY_GUEST_BEGIN(power_off) R"(
    .code16
    movw $0x604, %dx
    movw $0x3400, %ax
    outw %ax, %dx
    movb $98, %al
    end_machine
)" PLUGBAY_GUEST_END(power_off));
PLUGBAY_GUEST_DECLARE(power_off)

namespace plugbay::end_to_end {
namespace {

const std::string devices = debugcon_to_file + R"(, { "type": "cmos-rtc", "id": "rtc" })"
                                               R"(, { "type": "i8042", "id": "keyboard" })"
                                               R"(, { "type": "acpi-pm", "id": "power" })"
                                               R"(, { "type": "pci-host", "id": "pci" })";

class Reset : public MachineTest {
  protected:
    // With "restart": three runs. With "exit": one, and status 0.
    void expect_reset(GuestProgram program) {
        Outcome outcome = run_machine(program, devices);
        EXPECT_EQ(outcome.status, 33) << outcome.text();
        EXPECT_EQ(folder_.read("log"), "1\n2\n3\n");
        EXPECT_EQ(outcome.errors, "");
        MachineOptions options;
        options.more = R"("on_reset": "exit", )";
        outcome = run_machine(program, devices, options);
        EXPECT_EQ(outcome.status, 0) << outcome.text();
        EXPECT_EQ(folder_.read("log"), "1\n");
        EXPECT_EQ(outcome.errors, "");
    }
};

TEST_F(Reset, ByTheKeyboardController) {
    expect_reset(guest_program_keyboard_reset());
}

TEST_F(Reset, ByTheAcpiResetRegister) {
    expect_reset(guest_program_acpi_reset());
}

TEST_F(Reset, ByTheChipsetsResetControl) {
    expect_reset(guest_program_chipset_reset());
}

TEST_F(Reset, ComesBeforeTheNextInstruction) {
    expect_reset(guest_program_reset_and_exit());
}

TEST_F(Reset, RestartsAMachineOfFourVcpus) {
    MachineOptions options;
    options.cpus = 4;
    const Outcome outcome = run_machine(guest_program_keyboard_reset(), devices + serial_to_stdio, options);
    EXPECT_EQ(outcome.status, 33) << outcome.text();
    EXPECT_EQ(folder_.read("log"), "1\n2\n3\n");
}

TEST_F(Reset, FindsHooksAsAtPowerOn) {
    const Outcome outcome =
        run_machine(guest_program_reset_in_use(),
                    devices + R"(, { "type": "sample-msr", "id": "mailbox" })"
                              R"(, { "type": "probe-guest", "id": "probe" })"
                              R"(, { "type": "probe-watch", "id": "watch", "address": "0x30000" })"
                              R"(, { "type": "probe-worker", "id": "worker" })",
                    with_probes({}));
    EXPECT_EQ(outcome.status, 33) << outcome.text();
    EXPECT_EQ(folder_.read("log"), "1\n2\n3\n");
    EXPECT_EQ(outcome.errors, "");
}

TEST_F(Reset, IsToldAtLogLevelInfo) {
    const auto file = prepare(guest_program_keyboard_reset(), devices);
    const Outcome outcome = run(plugbay_command({"--log-level", "info", "run", file}));
    EXPECT_EQ(outcome.status, 33) << outcome.text();
    EXPECT_THAT(outcome.errors, ::testing::HasSubstr("device \"keyboard\" asks for a reset: starting again"));
}

TEST_F(Reset, PowerOffEndsWithSuccess) {
    const Outcome outcome = run_machine(guest_program_power_off(), devices);
    EXPECT_EQ(outcome.status, 0) << outcome.text();
    EXPECT_EQ(outcome.output + outcome.errors, "");
}

} // namespace
} // namespace plugbay::end_to_end
