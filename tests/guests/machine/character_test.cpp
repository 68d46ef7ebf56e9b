// How a guest ends the monitor, and what it says on the way.
#include "machine_test.hpp"

asm(PLUGBAY_GUEST_BEGIN(debug_text) R"(
    .code16
    movw $(0x7c00 + 9f - plugbay_guest_debug_text), %si
    movw $0x402, %dx
    cld
1:  lodsb
    testb %al, %al
    jz 2f
    outb %al, %dx
    jmp 1b
2:  end_machine
9:  .asciz "text by the debug console\n"
)" PLUGBAY_GUEST_END(debug_text));
PLUGBAY_GUEST_DECLARE(debug_text)

asm(PLUGBAY_GUEST_BEGIN(string_output) R"(
    .code16
    movw $(0x7c00 + 9f - plugbay_guest_string_output), %si
    movw $0x402, %dx
    movw $16, %cx
    cld
    rep outsb
    xorb %al, %al
    end_machine
9:  .ascii "0123456789abcdef"
)" PLUGBAY_GUEST_END(string_output));
PLUGBAY_GUEST_DECLARE(string_output)

// 256 lines "line xx\n" by the serial port, waiting for its transmitter.
asm(PLUGBAY_GUEST_BEGIN(serial_lines) R"(
    .code32
    xorl %ebx, %ebx
    cld
1:  call 2f
    .asciz "line "
2:  popl %esi
3:  lodsb
    testb %al, %al
    jz 4f
    call 8f
    jmp 3b
4:  movl %ebx, %eax
    shrl $4, %eax
    call 6f
    movl %ebx, %eax
    call 6f
    movb $10, %al
    call 8f
    incl %ebx
    cmpl $256, %ebx
    jne 1b
    movb $3, %al
    end_machine
6:  andb $15, %al
    addb $0x30, %al
    cmpb $0x3a, %al
    jb 8f
    addb $39, %al
8:  movb %al, %cl
    movl $0x3fd, %edx
9:  inb %dx, %al
    testb $0x20, %al
    jz 9b
    movl $0x3f8, %edx
    movb %cl, %al
    outb %al, %dx
    ret
)" PLUGBAY_GUEST_END(serial_lines));
PLUGBAY_GUEST_DECLARE(serial_lines)

// Says "ready", echoes what comes; a "q" ends with status 9.
asm(PLUGBAY_GUEST_BEGIN(serial_echo) R"(
    .code16
    movw $0x3f8, %dx
    movb $'r', %al
    outb %al, %dx
    movb $'!', %al
    outb %al, %dx
1:  movw $0x3fd, %dx
    inb %dx, %al
    testb $1, %al
    jz 1b
    movw $0x3f8, %dx
    inb %dx, %al
    outb %al, %dx
    cmpb $'q', %al
    jne 1b
    movb $9, %al
    end_machine
)" PLUGBAY_GUEST_END(serial_echo));
PLUGBAY_GUEST_DECLARE(serial_echo)

namespace plugbay::end_to_end {
namespace {

using std::chrono::seconds;

class Exit : public MachineTest, public ::testing::WithParamInterface<unsigned> {};

TEST_P(Exit, ReturnsWhatTheGuestWrote) {
    // mov $status, %al; out %al, $0xf4; hlt; jmp to the hlt. The same bytes in every mode.
    const std::array program{std::byte{0xb0}, std::byte(GetParam()), std::byte{0xe6}, std::byte{0xf4},
                             std::byte{0xf4}, std::byte{0xeb},       std::byte{0xfd}};
    for (const MachineOptions& options : {MachineOptions{}, protected_32(), long_64()}) {
        const Outcome outcome = run_machine(program, "", options);
        EXPECT_EQ(outcome.status, static_cast<int>(GetParam())) << options.mode << "\n" << outcome.text();
        EXPECT_EQ(outcome.output + outcome.errors, "") << options.mode;
    }
}
INSTANTIATE_TEST_SUITE_P(Status, Exit, ::testing::Values(0, 42, 255), ::testing::PrintToStringParamName());

class Character : public MachineTest {};

TEST_F(Character, DebugconWritesToAFile) {
    const Outcome outcome = run_machine(guest_program_debug_text(), debugcon_to_file);
    EXPECT_EQ(outcome.status, 0) << outcome.text();
    EXPECT_EQ(folder_.read("log"), "text by the debug console\n");
}

TEST_F(Character, StringOutputKeepsItsOrder) {
    const Outcome outcome = run_machine(guest_program_string_output(), debugcon_to_file);
    EXPECT_EQ(outcome.status, 0) << outcome.text();
    EXPECT_EQ(folder_.read("log"), "0123456789abcdef");
}

TEST_F(Character, SerialWritesToStandardOutput) {
    const Outcome outcome = run_machine(guest_program_serial_lines(), serial_to_stdio, protected_32());
    EXPECT_EQ(outcome.status, 3) << outcome.text();
    std::string expected;
    for (unsigned i = 0; i < 256; ++i) {
        constexpr std::string_view digits = "0123456789abcdef";
        expected += std::string("line ") + digits[i / 16] + digits[i % 16] + "\n";
    }
    EXPECT_EQ(outcome.output, expected);
    EXPECT_EQ(outcome.errors, "");
}

TEST_F(Character, SerialEchoesStandardInput) {
    Child child(plugbay_command({"run", prepare(guest_program_serial_echo(), serial_to_stdio)}));
    ASSERT_TRUE(child.wait_for_output("r!", seconds(20))) << child.finish(seconds(1)).text();
    child.type("abc\n");
    EXPECT_TRUE(child.wait_for_output("r!abc\n", seconds(10)));
    std::string many;
    for (unsigned i = 0; i < 3000; ++i)
        many += static_cast<char>('A' + i % 26);
    child.type(many + "q");
    const Outcome outcome = child.finish(seconds(30));
    EXPECT_EQ(outcome.status, 9) << outcome.text();
    EXPECT_EQ(outcome.output, "r!abc\n" + many + "q");
}

TEST_F(Character, SerialSurvivesTheEndOfStandardInput) {
    Child child(plugbay_command({"run", prepare(guest_program_serial_echo(), serial_to_stdio)}));
    child.type("xyzq");
    child.close_input();
    const Outcome outcome = child.finish(seconds(30));
    EXPECT_EQ(outcome.status, 9) << outcome.text();
    EXPECT_EQ(outcome.output, "r!xyzq");
}

} // namespace
} // namespace plugbay::end_to_end
