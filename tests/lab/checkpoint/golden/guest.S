# The guest of the golden checkpoints. It never rests: a chain of numbers in the table at 0x10000; of every 256th a letter on
# the serial port; a count of the PIT's interrupts at 0x9000; of every 1024th one in the CMOS memory, from which the chain goes
# on. After 40960 numbers it prints the sum of the table as 8 letters and ends with status 42.
    .code16
    .globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7000, %sp
    movw $0x1000, %ax
    movw %ax, %es
    movw $tick, 0x20 * 4
    movw $0, 0x20 * 4 + 2
    movb $0x11, %al             # PIC: vectors from 0x20 on, only the timer
    outb %al, $0x20
    movb $0x20, %al
    outb %al, $0x21
    movb $4, %al
    outb %al, $0x21
    movb $1, %al
    outb %al, $0x21
    movb $0xfe, %al
    outb %al, $0x21
    movb $0x34, %al             # PIT: channel 0, mode 2, 100 times a second
    outb %al, $0x43
    movb $0x9c, %al
    outb %al, $0x40
    movb $0x2e, %al
    outb %al, $0x40
    movl $1, %ebx
    xorl %ecx, %ecx
    sti
1:  imull $1664525, %ebx, %ebx
    addl $1013904223, %ebx
    movl %ecx, %edi
    andl $0x3fff, %edi
    shll $2, %edi
    xorl %ebx, %es:(%di)
    incl %ecx
    testb %cl, %cl
    jnz 2f
    movl %ebx, %eax
    shrl $24, %eax
    call print
    hlt
    testw $0x3ff, %cx
    jnz 2f
    cli
    movb $0x50, %al
    outb %al, $0x70
    movb %bl, %al
    outb %al, $0x71
    xorb %bl, %bl
    movb $0x50, %al
    outb %al, $0x70
    inb $0x71, %al
    movb %al, %bl
    sti
2:  cmpl $40960, %ecx
    jb 1b
    cli
    movb $43, %al               # no interrupt has come
    cmpw $0, 0x9000
    je 5f
    xorl %edi, %edi
    xorl %ebx, %ebx
3:  addl %es:(%di), %ebx
    roll $1, %ebx
    addw $4, %di
    jnz 3b
    movb $8, %cl
4:  roll $4, %ebx
    movb %bl, %al
    call print
    decb %cl
    jnz 4b
    movb $42, %al
5:  outb %al, $0xf4
6:  hlt
    jmp 6b

# The low half of %al as a letter, once the port takes it.
print:
    andb $0xf, %al
    addb $'a', %al
    movb %al, %ah
    movw $0x3fd, %dx
7:  inb %dx, %al
    testb $0x20, %al
    jz 7b
    movb %ah, %al
    movw $0x3f8, %dx
    outb %al, %dx
    ret

tick:
    pushw %ax
    incw %cs:0x9000
    movb $0x20, %al
    outb %al, $0x20
    popw %ax
    iretw
