// Guests that cannot go on: the monitor says where and why, and returns 3.
#include "machine_test.hpp"

// A vector table without room for any vector: the exception's exception's exception is a shutdown.
asm(PLUGBAY_GUEST_BEGIN(triple_fault) R"(
    .code32
    movl $0xdeadbeef, %esi
    pushl $0
    pushl $0
    lidt (%esp)
    ud2
    .ascii "plug"
)" PLUGBAY_GUEST_END(triple_fault));
PLUGBAY_GUEST_DECLARE(triple_fault)

asm(PLUGBAY_GUEST_BEGIN(compare_exchange) R"(
    movl $0x200000, %edi
    movabsq $0x1234567812345678, %r15
    xorl %eax, %eax
    xorl %edx, %edx
    lock cmpxchg16b (%rdi)
    movb $0, %al
    end_machine
)" PLUGBAY_GUEST_END(compare_exchange));
PLUGBAY_GUEST_DECLARE(compare_exchange)

namespace plugbay::end_to_end {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class Failure : public MachineTest {};

TEST_F(Failure, TripleFaultShowsRegistersAndCode) {
    const Outcome outcome = run_machine(guest_program_triple_fault(), "", protected_32());
    EXPECT_EQ(outcome.status, 3) << outcome.text();
    EXPECT_EQ(outcome.output, "");
    EXPECT_THAT(outcome.errors,
                AllOf(HasSubstr("vCPU 0"), HasSubstr("triple fault"), ContainsRegex("rip [0-9a-f]{16}"),
                      AnyOf(HasSubstr("rsi 00000000deadbeef"), HasSubstr("rip 000000000000fff0")),
                      ContainsRegex("cr0 [0-9a-f]{8}"), HasSubstr("cs "), HasSubstr("idt base")));
    // Where a processor resets the registers with the shutdown, the instruction pointer is no longer at
    // "ud2".
    EXPECT_THAT(outcome.errors, ContainsRegex("code at [0-9a-f]{16}:"));
    if (outcome.errors.find("rip 000000000010000c") != std::string::npos) {
        EXPECT_THAT(outcome.errors, HasSubstr("<0f> 0b 70 6c 75 67"));
    }
}

TEST_F(Failure, TripleFaultEndsAMachineThatRestarts) {
    auto options = protected_32();
    options.more = R"("on_reset": "restart", )";
    options.cpus = 2; // the other one waits for its start
    const Outcome outcome = run_machine(guest_program_triple_fault(), serial_to_stdio, options);
    EXPECT_EQ(outcome.status, 3) << outcome.text();
    EXPECT_THAT(outcome.errors, HasSubstr("triple fault"));
}

TEST_F(Failure, InternalErrorOfKvmShowsRegisters) {
    const Outcome outcome = run_machine(guest_program_compare_exchange(), "", long_64());
    if (outcome.status == 0) GTEST_SKIP() << "this KVM runs everything that the test knows";
    EXPECT_EQ(outcome.status, 3) << outcome.text();
    EXPECT_THAT(outcome.errors, AllOf(HasSubstr("vCPU 0"), HasSubstr("KVM internal error"),
                                      HasSubstr("r15 1234567812345678"), HasSubstr("rdi 0000000000200000")));
}

} // namespace
} // namespace plugbay::end_to_end
