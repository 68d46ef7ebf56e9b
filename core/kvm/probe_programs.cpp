#include "core/kvm/probe_programs.hpp"

#include <array>

// Addresses and selectors are those of TinyGuest: data 0x20000, device 0xd0000000, user code 0x2b, data 0x23.

#define PASS "movb $1, %al\n movl $0xf4, %edx\n outb %al, %dx\n"
#define FAIL "movb $2, %al\n movl $0xf4, %edx\n outb %al, %dx\n"

asm(PLUGBAY_GUEST_BEGIN(first) PASS PLUGBAY_GUEST_END(first));

asm(PLUGBAY_GUEST_BEGIN(cmpxchg16b) R"(
    movl $0x20000, %edi
    movq $1, (%rdi)
    movq $2, 8(%rdi)
    movl $1, %eax
    movl $2, %edx
    movl $3, %ebx
    movl $4, %ecx
    lock cmpxchg16b (%rdi)
    jnz 1f
    cmpq $3, (%rdi)
    jne 1f
    cmpq $4, 8(%rdi)
    jne 1f
)" PASS "1:\n" FAIL PLUGBAY_GUEST_END(cmpxchg16b));

asm(PLUGBAY_GUEST_BEGIN(int3) "int3\n" FAIL PLUGBAY_GUEST_END(int3));
asm(PLUGBAY_GUEST_BEGIN(pass_handler) PASS PLUGBAY_GUEST_END(pass_handler));

asm(PLUGBAY_GUEST_BEGIN(page_fault) R"(
    movl $0x80000000, %edi
    movb (%rdi), %al
)" FAIL PLUGBAY_GUEST_END(page_fault));
asm(PLUGBAY_GUEST_BEGIN(page_fault_handler) R"(
    movq %cr2, %rax
    movl $0x80000000, %ecx
    cmpq %rcx, %rax
    jne 1f
)" PASS "1:\n" FAIL PLUGBAY_GUEST_END(page_fault_handler));

asm(PLUGBAY_GUEST_BEGIN(iret) R"(
    movq %rsp, %rax
    pushq $0x18
    pushq %rax
    pushq $2
    pushq $0x10
    leaq 1f(%rip), %rax
    pushq %rax
    iretq
)" FAIL "1:\n" PASS PLUGBAY_GUEST_END(iret));

// Flags 0x3002: I/O privilege level 3, so that ring 3 may use ports.
#define ENTER_RING_3                                                                                         \
    "movq %rsp, %rax\n pushq $0x23\n pushq %rax\n pushq $0x3002\n pushq $0x2b\n"                             \
    "leaq 0f(%rip), %rax\n pushq %rax\n iretq\n"                                                             \
    "0:\n"

#define ENABLE_SSE "movq %cr4, %rax\n orl $0x600, %eax\n movq %rax, %cr4\n"

#define USE_SSE                                                                                              \
    "movl $0x20000, %edi\n"                                                                                  \
    "movl $5, (%rdi)\n movl $7, 4(%rdi)\n movl $1, 8(%rdi)\n movl $2, 12(%rdi)\n"                            \
    "movdqu (%rdi), %xmm0\n movdqa %xmm0, %xmm1\n paddd %xmm0, %xmm1\n movdqu %xmm1, 16(%rdi)\n"             \
    "cmpl $10, 16(%rdi)\n jne 1f\n"                                                                          \
    "cmpl $4, 28(%rdi)\n jne 1f\n" PASS "1:\n" FAIL

asm(PLUGBAY_GUEST_BEGIN(sse_user) ENABLE_SSE ENTER_RING_3 USE_SSE PLUGBAY_GUEST_END(sse_user));
asm(PLUGBAY_GUEST_BEGIN(sse_kernel) ENABLE_SSE USE_SSE PLUGBAY_GUEST_END(sse_kernel));

asm(PLUGBAY_GUEST_BEGIN(rdtsc) R"(
    rdtsc
    shlq $32, %rdx
    leaq (%rax,%rdx), %rbx
    movl $1000, %ecx
0:  decl %ecx
    jnz 0b
    rdtsc
    shlq $32, %rdx
    addq %rdx, %rax
    cmpq %rbx, %rax
    jbe 1f
)" PASS "1:\n" FAIL PLUGBAY_GUEST_END(rdtsc));

asm(PLUGBAY_GUEST_BEGIN(control_registers) R"(
    movq %cr0, %rax
    orl $0x10000, %eax
    movq %rax, %cr0
    movq %cr0, %rbx
    cmpq %rax, %rbx
    jne 1f
    movq %cr4, %rax
    orl $0x80, %eax
    movq %rax, %cr4
    movq %cr4, %rbx
    cmpq %rax, %rbx
    jne 1f
    movq %cr3, %rax
    movq %rax, %cr3
    movq %cr3, %rbx
    cmpq %rax, %rbx
    jne 1f
)" PASS "1:\n" FAIL PLUGBAY_GUEST_END(control_registers));

// The local APIC: software enable, timer vector 0x40 one-shot, divide by 1, 100000 ticks.
asm(PLUGBAY_GUEST_BEGIN(timer) R"(
    movl $0xfee00000, %edi
    movl $0x1ff, 0xf0(%rdi)
    movl $0xb, 0x3e0(%rdi)
    movl $0x40, 0x320(%rdi)
    movl $100000, 0x380(%rdi)
    sti
    hlt
)" FAIL PLUGBAY_GUEST_END(timer));

asm(PLUGBAY_GUEST_BEGIN(port_exit) R"(
    movl $0xf4, %edx
0:  outb %al, %dx
    jmp 0b
)" PLUGBAY_GUEST_END(port_exit));

asm(PLUGBAY_GUEST_BEGIN(mmio_exit) R"(
    movl $0xd0000000, %edi
0:  movl %eax, (%rdi)
    jmp 0b
)" PLUGBAY_GUEST_END(mmio_exit));

#define SPEED_LOOP                                                                                           \
    "0: movl $0xf0, %edx\n inl %dx, %eax\n movl %eax, %ecx\n"                                                \
    "1: decl %ecx\n jnz 1b\n jmp 0b\n"

asm(PLUGBAY_GUEST_BEGIN(kernel_speed) SPEED_LOOP PLUGBAY_GUEST_END(kernel_speed));

asm(PLUGBAY_GUEST_BEGIN(user_speed) ENTER_RING_3 SPEED_LOOP PLUGBAY_GUEST_END(user_speed));

PLUGBAY_GUEST_DECLARE(first)
PLUGBAY_GUEST_DECLARE(cmpxchg16b)
PLUGBAY_GUEST_DECLARE(int3)
PLUGBAY_GUEST_DECLARE(pass_handler)
PLUGBAY_GUEST_DECLARE(page_fault)
PLUGBAY_GUEST_DECLARE(page_fault_handler)
PLUGBAY_GUEST_DECLARE(iret)
PLUGBAY_GUEST_DECLARE(sse_user)
PLUGBAY_GUEST_DECLARE(sse_kernel)
PLUGBAY_GUEST_DECLARE(rdtsc)
PLUGBAY_GUEST_DECLARE(control_registers)
PLUGBAY_GUEST_DECLARE(timer)
PLUGBAY_GUEST_DECLARE(port_exit)
PLUGBAY_GUEST_DECLARE(mmio_exit)
PLUGBAY_GUEST_DECLARE(kernel_speed)
PLUGBAY_GUEST_DECLARE(user_speed)

namespace plugbay::core {

std::span<const FeatureProgram> feature_programs() {
    static const std::array programs{
        FeatureProgram{"first instruction", "everything", guest_program_first(), -1, {}, false},
        FeatureProgram{"interrupt controllers", "every machine", guest_program_first(), -1, {}, true},
        FeatureProgram{"cmpxchg16b", "its memory allocator", guest_program_cmpxchg16b(), -1, {}, false},
        FeatureProgram{"int3", "changing its own code while booting", guest_program_int3(), 3,
                       guest_program_pass_handler(), false},
        FeatureProgram{"page fault", "its virtual memory", guest_program_page_fault(), 14,
                       guest_program_page_fault_handler(), false},
        FeatureProgram{"iretq", "returning from interrupts", guest_program_iret(), -1, {}, false},
        FeatureProgram{
            "SSE in user code", "every program in user space", guest_program_sse_user(), -1, {}, false},
        FeatureProgram{
            "SSE in kernel code", "its checksums and ciphers", guest_program_sse_kernel(), -1, {}, false},
        FeatureProgram{"rdtsc", "its clock", guest_program_rdtsc(), -1, {}, false},
        FeatureProgram{"control registers",
                       "setting up the processor",
                       guest_program_control_registers(),
                       -1,
                       {},
                       false},
        FeatureProgram{"timer interrupt", "its scheduler", guest_program_timer(), 0x40,
                       guest_program_pass_handler(), true},
    };
    return programs;
}

GuestProgram port_exit_program() {
    return guest_program_port_exit();
}
GuestProgram mmio_exit_program() {
    return guest_program_mmio_exit();
}
GuestProgram kernel_speed_program() {
    return guest_program_kernel_speed();
}
GuestProgram user_speed_program() {
    return guest_program_user_speed();
}

} // namespace plugbay::core
