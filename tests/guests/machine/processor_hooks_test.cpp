// Devices that hook the guest's processor, in whole machines.
#include "machine_test.hpp"

// A #GP handler that counts in %ebp and goes on after the faulting rdmsr or wrmsr, two bytes long.
asm(R"(
.macro count_faults
    prepare_handlers
    set_handler 13, 7f
    xorl %ebp, %ebp
.endm
.macro fault_counter
7:  incl %ebp
    addq $2, 8(%rsp)
    addq $8, %rsp
    iretq
.endm
.macro write_msr index, value
    movl $\index, %ecx
    movl $(\value & 0xffffffff), %eax
    movl $(\value >> 32), %edx
    wrmsr
.endm
.macro read_msr index
    movl $\index, %ecx
    xorl %eax, %eax
    xorl %edx, %edx
    rdmsr
.endm
.macro read_leaf leaf
    movl $\leaf, %eax
    xorl %ecx, %ecx
    movl %ebx, %r9d
    cpuid
    movl %ebx, %r8d
    movl %r9d, %ebx
.endm
)");

// MSRs as probe-msr has them.
asm(PLUGBAY_GUEST_BEGIN(hooked_msrs) R"(
    count_faults
    begin_checks
    write_msr 0x50420001, 0x123456789abcdef0
    read_msr 0x50420001
    expect $0x9abcdef0, %eax
    expect $0x12345678, %edx
    read_msr 0x50420002
    orl %edx, %eax
    expect $0, %eax
    write_msr 0x50420002, 0xdead
    expect $1, %ebp
    read_msr 0x50420004
    expect $2, %ebp
    write_msr 0xc0000082, 0x11223344
    expect $2, %ebp
    read_msr 0xc0000082
    expect $0x11223344, %eax
    read_msr 0x277
    expect $3, %ebp
    write_msr 0x277, 0
    expect $4, %ebp
    end_checks
    fault_counter
)" PLUGBAY_GUEST_END(hooked_msrs));
PLUGBAY_GUEST_DECLARE(hooked_msrs)

// sample-msr, found by CPUID: a mailbox that counts, a reserved bit, a read-only register.
asm(PLUGBAY_GUEST_BEGIN(mailbox) R"(
    count_faults
    begin_checks
    read_leaf 0x40000200
    expect $0x40000201, %eax
    expect $0x706d6153, %r8d
    expect $0x614d656c, %ecx
    expect $0x78626c69, %edx
    read_leaf 0x40000201
    expect $1, %eax
    expect $0x504c5500, %r8d
    write_msr 0x504c5501, 0xfedcba9876543210
    read_msr 0x504c5501
    expect $0x76543210, %eax
    expect $0xfedcba98, %edx
    read_msr 0x504c5502
    expect $0, %eax
    write_msr 0x504c5500, 1
    write_msr 0x504c5501, 5
    write_msr 0x504c5501, 6
    read_msr 0x504c5502
    expect $2, %eax
    expect $0, %ebp
    write_msr 0x504c5500, 3
    expect $1, %ebp
    write_msr 0x504c5502, 0
    expect $2, %ebp
    read_msr 0x504c5500
    expect $1, %eax
    read_msr 0x504c5503
    expect $3, %ebp
    end_checks
    fault_counter
)" PLUGBAY_GUEST_END(mailbox));
PLUGBAY_GUEST_DECLARE(mailbox)

// Two leaves as probe-cpuid has them; bit 13 of leaf 1's ecx (cmpxchg16b) is cleared.
asm(PLUGBAY_GUEST_BEGIN(changed_cpuid) R"(
    begin_checks
    read_leaf 0x40000200
    expect $0x11111111, %eax
    expect $0x22222222, %r8d
    expect $0x33333333, %ecx
    expect $0x44444444, %edx
    read_leaf 1
    andl $0x80002000, %ecx
    expect $0x80000000, %ecx
    andl $1, %edx
    expect $1, %edx
    end_checks
)" PLUGBAY_GUEST_END(changed_cpuid));
PLUGBAY_GUEST_DECLARE(changed_cpuid)

// os-debug's call 0x120: text, then text in pages that are not RAM, then what is in RAM only at its beginning.
asm(PLUGBAY_GUEST_BEGIN(printed_text) R"(
    movl $0x120, %eax
    movl $0x5042, %edx
    leaq 5f(%rip), %rbx
    movl $(6f - 5f), %ecx
    outl %eax, %dx
    movq %rax, %r8
    movl $0x120, %eax
    movl $0xd0000000, %ebx
    outl %eax, %dx
    movq %rax, %r9
    movl $0x120, %eax
    movl $0xfffffe, %ebx
    outl %eax, %dx
    movq %rax, %r10
    movl $0x120, %eax
    movq $-2, %rbx
    outl %eax, %dx
    movq %rax, %r11
    movb $'!', %al
    movl $0xc0c0, %edx
    outb %al, %dx
    begin_checks
    expect $(6f - 5f), %r8
    expect $-2, %r9
    expect $-2, %r10
    expect $-2, %r11
    end_checks
5:  .ascii "from memory\nand"
6:
)" PLUGBAY_GUEST_END(printed_text));
PLUGBAY_GUEST_DECLARE(printed_text)

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
    end_machine
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
    expect_success(guest_program_hooked_msrs(),
                   R"(, { "type": "probe-msr", "id": "own" })"
                   R"(, { "type": "probe-msr", "id": "lstar", "first": "0xc0000082" })"
                   R"(, { "type": "probe-msr", "id": "no", "first": "0x277", "flags": 4 })",
                   with_probes(long_64()));
}

TEST_F(ProcessorHooks, TheSampleIsFoundAndUsed) {
    expect_success(guest_program_mailbox(), R"(, { "type": "sample-msr", "id": "mailbox" })", long_64());
}

TEST_F(ProcessorHooks, CpuidTellsWhatDevicesSay) {
    const std::string leaf = R"(, { "type": "probe-cpuid", "id": "leaf" })";
    expect_success(guest_program_changed_cpuid(),
                   leaf + R"(, { "type": "probe-cpuid", "id": "bits", "leaf": 1, "mask": 8192 })",
                   with_probes(long_64()));
    const Outcome refused =
        run_machine(guest_program_changed_cpuid(), leaf + R"(, { "type": "probe-cpuid", "id": "second" })",
                    with_probes(long_64()));
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.errors,
                testing::AllOf(testing::HasSubstr("\"leaf\""), testing::HasSubstr("\"second\"")));
}

const std::string answers_calls = R"(, { "type": "probe-hypercall", "id": "calls" })";

TEST_F(ProcessorHooks, HypercallsChangeRegisters) {
    expect_success(guest_program_inverted_registers(), answers_calls, with_probes(long_64()));
}

TEST_F(ProcessorHooks, GuestsInCFindTheCalls) {
    const Outcome outcome =
        run_machine({__start_plugbay_guest_c, __stop_plugbay_guest_c}, answers_calls, with_probes(long_64()));
    EXPECT_EQ(outcome.status, 0) << "the number of the check that failed\n" << outcome.text();
    EXPECT_EQ(outcome.errors, "error: calls: not today\n") << "one of the calls throws";
}

TEST_F(ProcessorHooks, TextInMemoryIsPrintedByHypercall) {
    expect_success(guest_program_printed_text(),
                   R"(, { "type": "os-debug", "id": "kernel", "hypercall": "0x120" })"
                   R"(, { "type": "char-file", "id": "log", "path": "log", "frontend": { "id": "kernel" } })",
                   long_64());
    EXPECT_EQ(folder_.read("log"), "from memory\n") << "the second line has no end";
}

} // namespace
} // namespace plugbay::end_to_end
