// Devices that hook the guest's processor, in whole machines.
#include "machine_test.hpp"

// MSRs as probe-msr has them; each check that fails ends with its number. The #GP handler counts in %ebp and goes
// on after the faulting rdmsr or wrmsr, two bytes long.
asm(PLUGBAY_GUEST_BEGIN(hooked_msrs) R"(
    movl $0x300000, %esp
    movl $0x2000d0, %edi
    leaq 7f(%rip), %rax
    movw %ax, (%rdi)
    movw %cs, 2(%rdi)
    movw $0x8e00, 4(%rdi)
    shrq $16, %rax
    movw %ax, 6(%rdi)
    shrq $16, %rax
    movl %eax, 8(%rdi)
    movl $0, 12(%rdi)
    subq $16, %rsp
    movw $0xfff, (%rsp)
    movq $0x200000, 2(%rsp)
    lidt (%rsp)
    xorl %ebp, %ebp

    movb $1, %bl
    movl $0x50420001, %ecx
    movl $0x9abcdef0, %eax
    movl $0x12345678, %edx
    wrmsr
    xorl %eax, %eax
    xorl %edx, %edx
    rdmsr
    cmpl $0x9abcdef0, %eax
    jne 9f
    cmpl $0x12345678, %edx
    jne 9f
    incb %bl
    movl $0x50420002, %ecx
    rdmsr
    orl %edx, %eax
    jnz 9f
    incb %bl
    movl $0xdead, %eax
    xorl %edx, %edx
    wrmsr
    cmpl $1, %ebp
    jne 9f
    incb %bl
    movl $0x50420004, %ecx
    rdmsr
    cmpl $2, %ebp
    jne 9f
    incb %bl
    movl $0xc0000082, %ecx
    movl $0x11223344, %eax
    wrmsr
    cmpl $2, %ebp
    jne 9f
    incb %bl
    xorl %eax, %eax
    rdmsr
    cmpl $0x11223344, %eax
    jne 9f
    incb %bl
    movl $0x277, %ecx
    rdmsr
    cmpl $3, %ebp
    jne 9f
    incb %bl
    wrmsr
    cmpl $4, %ebp
    jne 9f
    xorb %bl, %bl
9:  movb %bl, %al
    outb %al, $0xf4
8:  hlt
    jmp 8b
7:  incl %ebp
    addq $2, 8(%rsp)
    addq $8, %rsp
    iretq
)" PLUGBAY_GUEST_END(hooked_msrs));
PLUGBAY_GUEST_DECLARE(hooked_msrs)

namespace plugbay::end_to_end {
namespace {

class ProcessorHooks : public MachineTest {};

// Registers of its own, one that the processor has too (LSTAR) and one that is denied (PAT).
TEST_F(ProcessorHooks, MsrsAreAnsweredByDevices) {
    const Outcome outcome =
        run_machine(guest_program_hooked_msrs(),
                    R"(, { "type": "probe-msr", "id": "own" })"
                    R"(, { "type": "probe-msr", "id": "lstar", "first": "0xc0000082" })"
                    R"(, { "type": "probe-msr", "id": "no", "first": "0x277", "flags": 4 })",
                    with_probes(long_64()));
    EXPECT_EQ(outcome.status, 0) << "the number of the check that failed\n" << outcome.text();
}

} // namespace
} // namespace plugbay::end_to_end
