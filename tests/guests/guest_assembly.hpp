// What assembly of small guests is made of: macros for the asm statements of the files that include this. Unless it says
// otherwise a macro is for 64-bit mode and changes the registers that it names.
#pragma once

// Interrupts. The local APIC's address stays in %rdi. `entry` is the lower half of the I/O APIC pin's redirection entry; its
// upper half, the destination, is APIC 0. The PICs are masked since KVM starts with LINT0 open for them.
asm(R"(
.macro enable_local_apic
    movl $0xfee00000, %edi
    movl $0x1ff, 0xf0(%rdi)
.endm
.macro mask_pics
    movb $0xff, %al
    outb %al, $0x21
    outb %al, $0xa1
.endm
.macro route_pin pin, entry
    movl $0xfec00000, %esi
    movl $(0x10 + 2 * \pin), (%rsi)
    movl $\entry, 0x10(%rsi)
    movl $(0x11 + 2 * \pin), (%rsi)
    movl $0, 0x10(%rsi)
.endm
.macro end_interrupt
    pushq %rdi
    movl $0xfee00000, %edi
    movl $0, 0xb0(%rdi)
    popq %rdi
    iretq
.endm
# For handlers that count in %ebp.
.macro wait_for_interrupts wanted
.Lnot_yet\@:
    cmpl $\wanted, %ebp
    jb .Lnot_yet\@
.endm
# Long enough for an interrupt that should not be.
.macro wait_in_vain
    movl $3000, %ecx
    loop .
.endm
)");

// A stack at 3 MiB and an IDT at 2 MiB; an interrupt gate to a label for a vector. Change %rax and %rdi.
asm(R"(
.macro prepare_handlers
    movl $0x300000, %esp
    subq $16, %rsp
    movw $0xfff, (%rsp)
    movq $0x200000, 2(%rsp)
    lidt (%rsp)
    addq $16, %rsp
.endm
.macro set_handler vector, label
    movl $(0x200000 + 16 * \vector), %edi
    leaq \label(%rip), %rax
    movw %ax, (%rdi)
    movw %cs, 2(%rdi)
    movw $0x8e00, 4(%rdi)
    shrq $16, %rax
    movw %ax, 6(%rdi)
    shrq $16, %rax
    movl %eax, 8(%rdi)
    movl $0, 12(%rdi)
.endm
)");

// Ports of four bytes, in any mode but with %edx and %eax.
asm(R"(
.macro write_port port, value
    movl $\port, %edx
    movl \value, %eax
    outl %eax, %dx
.endm
.macro read_port port
    movl $\port, %edx
    inl %dx, %eax
.endm
.macro wait_for_port port, wanted
    movl $\port, %edx
.Lwaiting\@:
    inl %dx, %eax
    cmpl $\wanted, %eax
    jne .Lwaiting\@
.endm
)");

// In 32-bit mode. Copies the real-mode code between two labels to 0x8000 and starts all other vCPUs with it, by INIT and two
// SIPIs. Leaves the address of `from` in %ebx; changes %ecx, %esi and %edi.
asm(R"(
.macro start_others from, to
    cld
    call .Lhere\@
.Lhere\@:
    popl %ebx
    addl $(\from - .Lhere\@), %ebx
    movl %ebx, %esi
    movl $0x8000, %edi
    movl $(\to - \from), %ecx
    rep movsb
    movl $0xfee00300, %esi
    movl $0, 0x10(%esi)
    movl $0x000c4500, (%esi)
    movl $20000, %ecx
    loop .
    movl $0x000c4608, (%esi)
    movl $20000, %ecx
    loop .
    movl $0x000c4608, (%esi)
.endm
)");

// The end of a machine of machine_test.hpp, in any mode, with the status in %al. Of a program of checks: the first one that
// fails ends the machine with its number, from 1, which is kept in %bl; 0 is good. `size` is b, w, l or q where no register
// tells it. A check may also go to 9f by itself.
asm(R"(
.macro end_machine
    outb %al, $0xf4
.Lended\@:
    hlt
    jmp .Lended\@
.endm
.macro begin_checks
    movb $1, %bl
.endm
.macro expect wanted, found, size=
    cmp\size \wanted, \found
    jne 9f
    incb %bl
.endm
.macro end_checks
    xorb %bl, %bl
9:  movb %bl, %al
    end_machine
.endm
)");
