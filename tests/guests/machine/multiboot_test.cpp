// A multiboot 1 image: found by its header, entered with the magic number, told its command line and memory.
#include "machine_test.hpp"

// The header has the address fields, so the image need not be an ELF file. Says the command line; ends with 11.
asm(PLUGBAY_GUEST_BEGIN(multiboot) R"(
    .code32
    .long 0x1badb002
    .long 0x00010002
    .long -(0x1badb002 + 0x00010002)
    .long 0x200000
    .long 0x200000
    .long 0
    .long 0
    .long 0x200000 + 9f - plugbay_guest_multiboot
9:  cmpl $0x2badb002, %eax
    movb $1, %al
    jne 3f
    movl (%ebx), %ecx
    andl $5, %ecx
    cmpl $5, %ecx
    movb $2, %al
    jne 3f
    cmpl $15*1024, 8(%ebx)
    movb $3, %al
    jne 3f
    movl 16(%ebx), %esi
    movl $0x402, %edx
    cld
1:  lodsb
    testb %al, %al
    jz 2f
    outb %al, %dx
    jmp 1b
2:  movb $11, %al
3:  end_machine
)" PLUGBAY_GUEST_END(multiboot));
PLUGBAY_GUEST_DECLARE(multiboot)

namespace plugbay::end_to_end {
namespace {

class Multiboot : public MachineTest {};

TEST_F(Multiboot, IsFoundAndEntered) {
    const auto program = guest_program_multiboot();
    folder_.write("kernel", {reinterpret_cast<const char*>(program.data()), program.size()});
    const auto file = folder_.write("machine.json", R"({ "memory": "16M",
        "boot": { "kernel": "kernel", "command_line": "hello=1 world" },
        "devices": [ { "type": "debug-exit", "id": "exit" })" +
                                                        debugcon_to_file + " ] }");
    const Outcome outcome = run(plugbay_command({"--log-level", "info", "run", file}));
    EXPECT_EQ(outcome.status, 11) << "the number of the check that failed\n" << outcome.text();
    EXPECT_EQ(folder_.read("log"), "hello=1 world");
    EXPECT_THAT(outcome.errors, ::testing::HasSubstr("multiboot"));
}

} // namespace
} // namespace plugbay::end_to_end
