// More than one vCPU: the first starts the others as real hardware wants it, with INIT and SIPI.
#include "machine_test.hpp"

#include <algorithm>

// Others run from 0x8000 in real mode: each takes a number from 0x9000 and says it as a letter; 0x9004 counts
// those that are done. The first waits for 0x9008 of them, which the image's last byte says.
asm(PLUGBAY_GUEST_BEGIN(start_others) R"(
    .code32
    start_others 6f, 7f
    movzbl (7f-6f)(%ebx), %eax
4:  pause
    cmpl 0x9004, %eax
    jne 4b
    end_machine
    .code16
6:  cli
    xorw %ax, %ax
    movw %ax, %ds
    movw $1, %ax
    lock xaddw %ax, 0x9000
    addb $0x61, %al
    movw $0x402, %dx
    outb %al, %dx
    lock incw 0x9004
8:  hlt
    jmp 8b
7:
)" PLUGBAY_GUEST_END(start_others));
PLUGBAY_GUEST_DECLARE(start_others)

// What each vCPU does in `used_by_all`, in any mode: 200 times a port, an MSR and a hypercall whose result is checked, then
// CPUID. A word at 0x9008 says that one failed.
asm(R"(
.macro use_hooks
    movl $200, %ebp
.Lagain\@:
    write_port 0x71c, $1
    movl $0x504c5501, %ecx
    movl %ebp, %eax
    xorl %edx, %edx
    wrmsr
    movl %ebp, %ebx
    movl $1, %ecx
    movl $2, %esi
    movl $3, %edi
    movl $0x100, %eax
    movl $0x5042, %edx
    outl %eax, %dx
    subl $6, %eax
    cmpl %ebp, %eax
    jne .Lfailed\@
    decl %ebp
    jnz .Lagain\@
    movl $0x40000200, %eax
    cpuid
    cmpl $0x40000201, %eax
    je .Ldone\@
.Lfailed\@:
    movw $1, 0x9008
.Ldone\@:
.endm
)");

// As above; the first vCPU does its part too, and then checks the sums: the port's, and the count of posts in the MSR.
asm(PLUGBAY_GUEST_BEGIN(used_by_all) R"(
    .code32
    movl $0x504c5500, %ecx
    movl $1, %eax
    xorl %edx, %edx
    wrmsr
    start_others 6f, 7f
    movzbl (7f-6f)(%ebx), %eax
    movl %eax, 0x9010
    use_hooks
    movl 0x9010, %edi
3:  pause
    cmpl 0x9004, %edi
    jne 3b
    incl %edi
    imull $200, %edi
    begin_checks
    expect $0, 0x9008, w
    read_port 0x71c
    expect %edi, %eax
    movl $0x504c5502, %ecx
    rdmsr
    expect %edi, %eax
    end_checks
    .code16
6:  cli
    xorw %ax, %ax
    movw %ax, %ds
    use_hooks
    lock incw 0x9004
8:  hlt
    jmp 8b
7:
)" PLUGBAY_GUEST_END(used_by_all));
PLUGBAY_GUEST_DECLARE(used_by_all)

namespace plugbay::end_to_end {
namespace {

// `program` with the number of vCPUs that the first has to wait for.
std::vector<std::byte> for_others(GuestProgram program, unsigned others) {
    std::vector<std::byte> image(program.begin(), program.end());
    image.push_back(std::byte(others));
    return image;
}

class Processors : public MachineTest, public ::testing::WithParamInterface<unsigned> {};

TEST_P(Processors, AreStartedByTheFirst) {
    auto options = protected_32();
    options.cpus = GetParam();
    const Outcome outcome =
        run_machine(for_others(guest_program_start_others(), GetParam() - 1), debugcon_to_file, options);
    ASSERT_EQ(outcome.status, static_cast<int>(GetParam() - 1)) << outcome.text();
    std::string log = folder_.read("log");
    std::sort(log.begin(), log.end());
    EXPECT_EQ(log, std::string("abc").substr(0, GetParam() - 1));
    EXPECT_EQ(outcome.errors, "");
}

TEST_P(Processors, UseHooksAtTheSameTime) {
    auto options = with_probes(protected_32());
    options.cpus = GetParam();
    expect_success(for_others(guest_program_used_by_all(), GetParam() - 1),
                   R"(, { "type": "probe-guest", "id": "probe" })"
                   R"(, { "type": "sample-msr", "id": "mailbox" })"
                   R"(, { "type": "probe-hypercall", "id": "calls" })",
                   options);
}
INSTANTIATE_TEST_SUITE_P(Count, Processors, ::testing::Values(2, 4), ::testing::PrintToStringParamName());

} // namespace
} // namespace plugbay::end_to_end
