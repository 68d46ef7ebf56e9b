// More than one vCPU: the first starts the others as real hardware wants it, with INIT and SIPI.
#include "machine_test.hpp"

#include <algorithm>

// Others run from 0x8000 in real mode: each takes a number from 0x9000 and says it as a letter; 0x9004 counts
// those that are done. The first waits for 0x9008 of them, which the image's last byte says.
asm(PLUGBAY_GUEST_BEGIN(start_others) R"(
    .code32
    cld
    call 1f
1:  popl %ebx
    leal 6f-1b(%ebx), %esi
    movl $0x8000, %edi
    movl $(7f-6f), %ecx
    rep movsb
    movl $0xfee00300, %esi
    movl $0, 0x10(%esi)
    movl $0x000c4500, (%esi)
    movl $20000, %ecx
2:  loop 2b
    movl $0x000c4608, (%esi)
    movl $20000, %ecx
3:  loop 3b
    movl $0x000c4608, (%esi)
    movzbl 7f-1b(%ebx), %eax
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

namespace plugbay::end_to_end {
namespace {

class Processors : public MachineTest, public ::testing::WithParamInterface<unsigned> {};

TEST_P(Processors, AreStartedByTheFirst) {
    const auto code = guest_program_start_others();
    std::vector<std::byte> image(code.begin(), code.end());
    image.push_back(std::byte(GetParam() - 1));
    auto options = protected_32();
    options.cpus = GetParam();
    const Outcome outcome = run_machine(image, debugcon_to_file, options);
    ASSERT_EQ(outcome.status, static_cast<int>(GetParam() - 1)) << outcome.text();
    std::string log = folder_.read("log");
    std::sort(log.begin(), log.end());
    EXPECT_EQ(log, std::string("abc").substr(0, GetParam() - 1));
    EXPECT_EQ(outcome.errors, "");
}
INSTANTIATE_TEST_SUITE_P(Count, Processors, ::testing::Values(2, 4), ::testing::PrintToStringParamName());

} // namespace
} // namespace plugbay::end_to_end
