// Accesses that no device answers.
#include "machine_test.hpp"

asm(PLUGBAY_GUEST_BEGIN(no_port) R"(
    .code32
    cld
    movl $0x1234, %edx
    begin_checks
    xorl %eax, %eax
    inb %dx, %al
    expect $0xff, %eax
    xorl %eax, %eax
    inw %dx, %ax
    expect $0xffff, %eax
    xorl %eax, %eax
    inl %dx, %eax
    expect $0xffffffff, %eax
    movl $0x12345678, %eax
    outb %al, %dx
    outw %ax, %dx
    outl %eax, %dx
    xorl %eax, %eax
    inl %dx, %eax
    expect $0xffffffff, %eax
    movl $0xffff, %edx
    xorl %eax, %eax
    inl %dx, %eax
    expect $0xffffffff, %eax
    movl $0x1235, %edx
    movl $0x200000, %edi
    movl $64, %ecx
    rep insw
    movl $0x200000, %esi
    movl $32, %ecx
1:  lodsl
    cmpl $0xffffffff, %eax
    jne 9f
    loop 1b
    incb %bl
    movl $0x200000, %esi
    movl $64, %ecx
    rep outsb
    end_checks
)" PLUGBAY_GUEST_END(no_port));
PLUGBAY_GUEST_DECLARE(no_port)

asm(PLUGBAY_GUEST_BEGIN(no_memory) R"(
    movl $0xd0000000, %edi
    begin_checks
    xorl %eax, %eax
    movb (%rdi), %al
    expect $0xff, %eax
    xorl %eax, %eax
    movw 2(%rdi), %ax
    expect $0xffff, %eax
    movl 4(%rdi), %eax
    expect $0xffffffff, %eax
    movq 8(%rdi), %rax
    expect $-1, %rax
    movabsq $0x1122334455667788, %rax
    movb %al, (%rdi)
    movw %ax, 2(%rdi)
    movl %eax, 4(%rdi)
    movq %rax, 8(%rdi)
    movq %rax, 0xffd(%rdi)
    movq (%rdi), %rax
    expect $-1, %rax
    movq 0xffd(%rdi), %rax
    expect $-1, %rax
    movl $0x1000000, %esi
    movq (%rsi), %rax
    expect $-1, %rax
    movl $0xfffff8, %esi
    movabsq $0x1122334455667788, %rax
    movq %rax, (%rsi)
    expect %rax, (%rsi)
    end_checks
)" PLUGBAY_GUEST_END(no_memory));
PLUGBAY_GUEST_DECLARE(no_memory)

// Six words, one beyond the 4 GiB that the monitor maps.
asm(PLUGBAY_GUEST_BEGIN(high_memory) R"(
    movl $0x300000, %edi
    movl $0x83, %eax
    movl %eax, (%rdi)
    movl $1, %eax
    movl %eax, 4(%rdi)
    movq %cr3, %rsi
    movq (%rsi), %rsi
    andq $-4096, %rsi
    leaq 3(%rdi), %rax
    movq %rax, 32(%rsi)
    movq %cr3, %rax
    movq %rax, %cr3
    begin_checks
    movabsq $0x100000000, %rdi
    movq (%rdi), %rax
    expect $0, %rax
    movabsq $0x0123456789abcdef, %rax
    movq %rax, (%rdi)
    movq %rax, 0x1ffff8(%rdi)
    movq (%rdi), %rcx
    expect %rax, %rcx
    movq 0x1ffff8(%rdi), %rcx
    expect %rax, %rcx
    movl $0xbffffff8, %edi
    movq %rax, (%rdi)
    movq (%rdi), %rcx
    expect %rax, %rcx
    movl $0xc0000000, %edi
    movq %rax, (%rdi)
    movq (%rdi), %rcx
    expect $-1, %rcx
    end_checks
)" PLUGBAY_GUEST_END(high_memory));
PLUGBAY_GUEST_DECLARE(high_memory)

namespace plugbay::end_to_end {
namespace {

class Bus : public MachineTest {};

TEST_F(Bus, PortsWithoutDevicesReadOnesAndIgnoreWrites) {
    expect_success(guest_program_no_port(), "", protected_32());
}

TEST_F(Bus, AddressesWithoutDevicesReadOnesAndIgnoreWrites) {
    expect_success(guest_program_no_memory(), "", long_64());
}

TEST_F(Bus, MemoryContinuesAbove4GiB) {
    auto options = long_64();
    options.memory = "5G";
    expect_success(guest_program_high_memory(), "", options);
}

} // namespace
} // namespace plugbay::end_to_end
