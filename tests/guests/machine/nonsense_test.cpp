// A guest that writes nonsense to everything it can reach cannot harm the monitor.
#include "machine_test.hpp"

// %ebp holds the pseudo-random state (a linear congruential generator); macro `random` puts its upper half mixed
// with its lower one into %eax.
asm(R"(
.macro random
    imull $1664525, %ebp, %ebp
    addl $1013904223, %ebp
    movl %ebp, %eax
    rorl $16, %eax
.endm
)");

// All ports but those that end the run: 0x64 (keyboard controller's commands), 0xf4 and wider accesses that reach
// it, 0x601 to 0x605 (soft-off), 0x609 to 0x60c (reset), 0xcf6 to 0xcf9 (reset).
asm(PLUGBAY_GUEST_BEGIN(all_ports) R"(
    .code32
    movl $0x2545f491, %ebp
    xorl %edx, %edx
1:  cmpl $0x61, %edx
    jb 2f
    cmpl $0x64, %edx
    jbe 3f
    cmpl $0xf1, %edx
    jb 2f
    cmpl $0xf4, %edx
    jbe 3f
    cmpl $0x601, %edx
    jb 2f
    cmpl $0x605, %edx
    jbe 3f
    cmpl $0x609, %edx
    jb 2f
    cmpl $0x60c, %edx
    jbe 3f
    cmpl $0xcf6, %edx
    jb 2f
    cmpl $0xcf9, %edx
    jbe 3f
2:  random
    outb %al, %dx
    outw %ax, %dx
    outl %eax, %dx
    inb %dx, %al
3:  incl %edx
    cmpl $0x10000, %edx
    jne 1b
    movb $7, %al
    end_machine
)" PLUGBAY_GUEST_END(all_ports));
PLUGBAY_GUEST_DECLARE(all_ports)

// Finds the devices on the bus; writes nonsense to all of the first 16 KiB behind each BAR below 4 GiB in all
// widths, then to the whole configuration space, then to the memory again wherever the BAR is now. %edi: device.
asm(PLUGBAY_GUEST_BEGIN(all_registers) R"(
    .code32
    movl $0x6b43a9b5, %ebp
    xorl %edi, %edi
1:  xorl %ecx, %ecx
    call 8f
    inl %dx, %eax
    cmpl $0xffffffff, %eax
    je 7f
    call 5f
    movl $4, %ecx
2:  call 8f
    random
    outl %eax, %dx
    random
    outb %al, %dx
    random
    outw %ax, %dx
    addl $4, %ecx
    cmpl $0x100, %ecx
    jne 2b
    movl $4, %ecx
    call 8f
    movl $6, %eax
    outw %ax, %dx
    call 5f
    jmp 7f

5:  movl $0x10, %ecx
6:  call 8f
    inl %dx, %eax
    call 9f
    addl $4, %ecx
    cmpl $0x28, %ecx
    jne 6b
    ret

7:  incl %edi
    cmpl $32, %edi
    jne 1b
    movb $7, %al
    end_machine

8:  movl %edi, %eax
    shll $11, %eax
    orl $0x80000000, %eax
    orl %ecx, %eax
    movl $0xcf8, %edx
    outl %eax, %dx
    movl $0xcfc, %edx
    ret

9:  andl $0xfffffff0, %eax
    cmpl $0xc0000000, %eax
    jb 3f
    cmpl $0xfebf0000, %eax
    jae 3f
    movl %eax, %ebx
    leal 0x4000(%eax), %esi
2:  random
    movl %eax, (%ebx)
    movb %al, 1(%ebx)
    random
    movw %ax, 2(%ebx)
    movl (%ebx), %eax
    addl $4, %ebx
    cmpl %esi, %ebx
    jne 2b
3:  ret
)" PLUGBAY_GUEST_END(all_registers));
PLUGBAY_GUEST_DECLARE(all_registers)

namespace plugbay::end_to_end {
namespace {

// One of every shipped type.
const std::string everything = serial_to_stdio + debugcon_to_file +
                               R"(, { "type": "acpi-pm", "id": "power" })"
                               R"(, { "type": "cmos-rtc", "id": "rtc" })"
                               R"(, { "type": "i8042", "id": "keyboard" })"
                               R"(, { "type": "pci-host", "id": "pci" })"
                               R"(, { "type": "virtio-rng", "id": "rng" })"
                               R"(, { "type": "virtio-blk", "id": "vda", "queues": 2 })"
                               R"(, { "type": "disk-file", "id": "disk", "path": "disk.img",)"
                               R"(    "frontend": { "id": "vda" } })"
                               R"(, { "type": "virtio-blk", "id": "vdb" })"
                               R"(, { "type": "disk-ram", "id": "scratch", "size": "1M",)"
                               R"(    "frontend": { "id": "vdb" } })";

class Nonsense : public MachineTest {
  protected:
    void expect_survival(GuestProgram program) {
        folder_.write("disk.img", std::string(1 << 20, 'd'));
        const Outcome outcome = run_machine(program, everything, protected_32());
        EXPECT_EQ(outcome.status, 7) << outcome.text();
        EXPECT_FALSE(outcome.left_children);
    }
};

TEST_F(Nonsense, InEveryPort) {
    expect_survival(guest_program_all_ports());
}

TEST_F(Nonsense, InTheRegistersOfEveryPciDevice) {
    expect_survival(guest_program_all_registers());
}

} // namespace
} // namespace plugbay::end_to_end
