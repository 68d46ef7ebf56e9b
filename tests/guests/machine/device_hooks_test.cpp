// What a device has for registers, time and events from outside, in whole machines. README.md lists which test is about
// which kind of hook.
#include "machine_test.hpp"

asm(PLUGBAY_GUEST_BEGIN(registers) R"(
    cld
    begin_checks
    write_port 0x71c, $0x12340000
    write_port 0x71c, $0x00005678
    read_port 0x71c
    expect $0x12345678, %eax
    xorl %eax, %eax
    movl $0x71d, %edx
    inb %dx, %al
    expect $0x56, %eax
    movl $0x71e, %edx
    inw %dx, %ax
    expect $0x1234, %eax
    movl $0x400000, %esi
    movl $1, (%rsi)
    movl $2, 4(%rsi)
    movl $3, 8(%rsi)
    movl $0x71c, %edx
    movl $3, %ecx
    rep outsl
    inl %dx, %eax
    expect $0x1234567e, %eax
    outb %al, %dx
    read_port 0x720
    expect $6, %eax

    movl $0xd5000000, %esi
    movabsq $0x1122334455667788, %rax
    movq %rax, (%rsi)
    movq (%rsi), %rcx
    expect %rax, %rcx
    movb $0xee, 3(%rsi)
    movl (%rsi), %eax
    expect $0xee667788, %eax
    movw $0xabcd, 5(%rsi)
    movl 4(%rsi), %eax
    expect $0x11abcd44, %eax
    movzwl 3(%rsi), %eax
    expect $0x44ee, %eax
    movl $0x55555555, 60(%rsi)
    movzbl 63(%rsi), %eax
    expect $0x55, %eax
    movq 60(%rsi), %rax
    expect $-1, %rax
    end_checks
)" PLUGBAY_GUEST_END(registers));
PLUGBAY_GUEST_DECLARE(registers)

// A deadline on the guest's clock; a period on the host's, which stays away once it is disarmed: a second deadline lets
// ten periods pass.
asm(PLUGBAY_GUEST_BEGIN(timers) R"(
    begin_checks
    write_port 0x700, $2000
    wait_for_port 0x700, 1
    write_port 0x704, $500
1:  inl %dx, %eax
    cmpl $3, %eax
    jb 1b
    write_port 0x704, $0
    inl %dx, %eax
    movl %eax, %ebp
    write_port 0x700, $5000
    wait_for_port 0x700, 2
    read_port 0x704
    expect %ebp, %eax
    write_port 0x700, $1000000000
    write_port 0x700, $0
    wait_for_port 0x700, 3
    end_checks
)" PLUGBAY_GUEST_END(timers));
PLUGBAY_GUEST_DECLARE(timers)

// A descriptor, ticks, and a doorbell, whose rings must not reach `write`.
asm(PLUGBAY_GUEST_BEGIN(happenings) R"(
    begin_checks
    write_port 0x708, $5
    wait_for_port 0x708, 5
    write_port 0x708, $7
    wait_for_port 0x708, 12
    write_port 0x714, $3
    wait_for_port 0x714, 3
    write_port 0x714, $40
    wait_for_port 0x714, 43
    read_port 0x720
    movl %eax, %ebp
    movl $0x70c, %edx
    movl $100, %ecx
1:  outl %eax, %dx
    loop 1b
2:  inl %dx, %eax
    testl %eax, %eax
    jz 2b
    cmpl $100, %eax
    ja 9f
    incb %bl
    read_port 0x720
    expect %ebp, %eax
    outw %ax, %dx
    read_port 0x720
    incl %ebp
    expect %ebp, %eax
    end_checks
)" PLUGBAY_GUEST_END(happenings));
PLUGBAY_GUEST_DECLARE(happenings)

// "abcdef", across two pages, and "gh" become "abc" and "defgh". Then the second of them is nowhere.
asm(PLUGBAY_GUEST_BEGIN(segments) R"(
    movl $0x401ffd, %esi
    movl $0x64636261, (%rsi)
    movw $0x6665, 4(%rsi)
    movl $0x500000, %esi
    movw $0x6867, (%rsi)
    movl $0x400000, %esi
    movq $0x401ffd, (%rsi)
    movq $6, 8(%rsi)
    movq $0x500000, 16(%rsi)
    movq $2, 24(%rsi)
    movq $0x600001, 32(%rsi)
    movq $3, 40(%rsi)
    movq $0x700000, 48(%rsi)
    movq $5, 56(%rsi)
    begin_checks
    write_port 0x718, %esi
    read_port 0x718
    expect $1, %eax
    movl $0x600000, %edi
    expect $0x63626100, (%rdi), l
    movl $0x700000, %edi
    movq (%rdi), %rax
    movabsq $0x6867666564, %rcx
    expect %rcx, %rax
    movq $0x800000, 32(%rsi)
    movl $0xd0000000, %eax
    movq %rax, 48(%rsi)
    write_port 0x718, %esi
    read_port 0x718
    expect $0, %eax
    movl $0x800000, %edi
    expect $0, (%rdi), l
    end_checks
)" PLUGBAY_GUEST_END(segments));
PLUGBAY_GUEST_DECLARE(segments)

// From the RSDP to the XSDT, and on to the table called PRBE; the sum of its bytes is 0.
asm(PLUGBAY_GUEST_BEGIN(firmware_table) R"(
    begin_checks
    movl $0xe0000, %esi
    movabsq $0x2052545020445352, %rax
    expect %rax, (%rsi), q
    movq 24(%rsi), %rsi
    movl 4(%rsi), %ecx
    subl $36, %ecx
    shrl $3, %ecx
1:  movq 28(%rsi,%rcx,8), %rdi
    cmpl $0x45425250, (%rdi)
    je 2f
    loop 1b
    jmp 9f
2:  incb %bl
    expect $40, 4(%rdi), l
    expect $0x600dcafe, 36(%rdi), l
    movl $40, %ecx
    xorl %eax, %eax
3:  addb -1(%rdi,%rcx), %al
    loop 3b
    expect $0, %eax
    end_checks
)" PLUGBAY_GUEST_END(firmware_table));
PLUGBAY_GUEST_DECLARE(firmware_table)

namespace plugbay::end_to_end {
namespace {

class DeviceHooks : public MachineTest {
  protected:
    void expect_success_with_probe(GuestProgram program) {
        expect_success(program, R"(, { "type": "probe-guest", "id": "probe" })", with_probes(long_64()));
    }
};

TEST_F(DeviceHooks, PortsAndAddressesAreReadAndWrittenInAllWidths) {
    expect_success_with_probe(guest_program_registers());
}

TEST_F(DeviceHooks, TimersFireOnBothClocks) {
    expect_success_with_probe(guest_program_timers());
}

TEST_F(DeviceHooks, DescriptorsTicksAndDoorbellsReachTheDevice) {
    expect_success_with_probe(guest_program_happenings());
}

TEST_F(DeviceHooks, ScatteredMemoryIsCopied) {
    expect_success_with_probe(guest_program_segments());
}

TEST_F(DeviceHooks, FirmwareTablesAreFoundByTheGuest) {
    expect_success(guest_program_firmware_table(), R"(, { "type": "probe-firmware", "id": "table" })",
                   with_probes(long_64()));
}

} // namespace
} // namespace plugbay::end_to_end
