// Devices that hook the guest's processor, in whole machines.
#include "machine_test.hpp"

// MSRs as probe-msr has them; each check that fails ends with its number. The #GP handler counts in %ebp and
// goes on after the faulting rdmsr or wrmsr, two bytes long.
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

// Two leaves as probe-cpuid has them; bit 13 of leaf 1's ecx (cmpxchg16b) is cleared.
asm(PLUGBAY_GUEST_BEGIN(changed_cpuid) R"(
    movl $1, %r15d
    movl $0x40000200, %eax
    xorl %ecx, %ecx
    cpuid
    cmpl $0x11111111, %eax
    jne 9f
    cmpl $0x22222222, %ebx
    jne 9f
    cmpl $0x33333333, %ecx
    jne 9f
    cmpl $0x44444444, %edx
    jne 9f
    incl %r15d
    movl $1, %eax
    cpuid
    testl $0x2000, %ecx
    jnz 9f
    incl %r15d
    testl $0x80000000, %ecx
    jz 9f
    incl %r15d
    testl $1, %edx
    jz 9f
    xorl %r15d, %r15d
9:  movl %r15d, %eax
    outb %al, $0xf4
8:  hlt
    jmp 8b
)" PLUGBAY_GUEST_END(changed_cpuid));
PLUGBAY_GUEST_DECLARE(changed_cpuid)

// Every register there and back.
asm(PLUGBAY_GUEST_BEGIN(inverted_registers) R"(
    movl $0x300000, %esp
    movl $2, %r12d
    jmp 2f
1:  movb $9, %al
    outb %al, $0xf4
2:  movl $1, %ebx
    movl $2, %ecx
    movl $3, %esi
    movl $4, %edi
    movl $5, %ebp
    movl $6, %r8d
    movl $7, %r15d
    movl $0x101, %eax
    movl $0x5042, %edx
    outl %eax, %dx
    testq %rax, %rax
    jnz 1b
    notq %rdx
    cmpq $0x5042, %rdx
    jne 1b
    addq $2, %rbx
    addq $3, %rcx
    addq $4, %rsi
    addq $5, %rdi
    addq $6, %rbp
    addq $7, %r8
    addq $8, %r15
    orq %rcx, %rbx
    orq %rsi, %rbx
    orq %rdi, %rbx
    orq %rbp, %rbx
    orq %r8, %rbx
    orq %r15, %rbx
    jnz 1b
    notq %r12
    cmpq $0x300000, %rsp
    jne 1b
    decl %r12d
    jnz 2b
    movl $0x300000, %esi
    movl $0x100, (%rsi)
    movl $0x5042, %edx
    outsl
    cmpl $0x300004, %esi
    jne 1b
    xorl %eax, %eax
    outb %al, $0xf4
8:  hlt
    jmp 8b
)" PLUGBAY_GUEST_END(inverted_registers));
PLUGBAY_GUEST_DECLARE(inverted_registers)

// guest_in_c.c
extern "C" const std::byte __start_plugbay_guest_c[];
extern "C" const std::byte __stop_plugbay_guest_c[];

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

TEST_F(ProcessorHooks, CpuidTellsWhatDevicesSay) {
    const std::string leaf = R"(, { "type": "probe-cpuid", "id": "leaf" })";
    const Outcome outcome =
        run_machine(guest_program_changed_cpuid(),
                    leaf + R"(, { "type": "probe-cpuid", "id": "bits", "leaf": 1, "mask": 8192 })",
                    with_probes(long_64()));
    EXPECT_EQ(outcome.status, 0) << "the number of the check that failed\n" << outcome.text();
    const Outcome refused =
        run_machine(guest_program_changed_cpuid(), leaf + R"(, { "type": "probe-cpuid", "id": "second" })",
                    with_probes(long_64()));
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.errors,
                testing::AllOf(testing::HasSubstr("\"leaf\""), testing::HasSubstr("\"second\"")));
}

const std::string answers_calls = R"(, { "type": "probe-hypercall", "id": "calls" })";

TEST_F(ProcessorHooks, HypercallsChangeRegisters) {
    const Outcome outcome =
        run_machine(guest_program_inverted_registers(), answers_calls, with_probes(long_64()));
    EXPECT_EQ(outcome.status, 0) << outcome.text();
}

TEST_F(ProcessorHooks, GuestsInCFindTheCalls) {
    const Outcome outcome =
        run_machine({__start_plugbay_guest_c, __stop_plugbay_guest_c}, answers_calls, with_probes(long_64()));
    EXPECT_EQ(outcome.status, 0) << "the number of the check that failed\n" << outcome.text();
}

} // namespace
} // namespace plugbay::end_to_end
