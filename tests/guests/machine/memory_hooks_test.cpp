// Devices with memory beside RAM, with an eye on RAM, with workers, in whole machines. Each check that fails
// ends with its number.
#include "machine_test.hpp"

asm(PLUGBAY_GUEST_BEGIN(region_memory) R"(
    movb $1, %bl
    movl $0xd4000000, %esi
    movabsq $0x1122334455667788, %rax
    cmpq %rax, (%rsi)
    jne 9f
    incb %bl
    movl $0x520, %edx
    inl %dx, %eax
    movl $0x12345678, 0x1ffe(%rsi)
    movl %esi, 0x8000(%rsi)
    cmpl $0x12345678, 0x1ffe(%rsi)
    jne 9f
    incb %bl
    inl %dx, %eax
    cmpl $3, %eax
    jne 9f
    incb %bl
    inl %dx, %eax
    testl %eax, %eax
    jnz 9f
    incb %bl
    movl $0xd4010000, %esi
    movabsq $0x1122334455667788, %rax
    cmpq %rax, (%rsi)
    jne 9f
    incb %bl
    movq $0, (%rsi)
    movl $7, 0x1ffe(%rsi)
    cmpq %rax, (%rsi)
    jne 9f
    cmpl $0, 0x1ffe(%rsi)
    jne 9f
    incb %bl
    movl $0xd4020000, %esi
    cmpq %rax, (%rsi)
    jne 9f
    incb %bl
    movl $41, 0x1004(%rsi)
    cmpl $42, 0x1004(%rsi)
    jne 9f
    incb %bl
    movl $0xd4030000, %esi
    cmpl $-1, (%rsi)
    jne 9f
    xorb %bl, %bl
9:  movb %bl, %al
    outb %al, $0xf4
8:  hlt
    jmp 8b
)" PLUGBAY_GUEST_END(region_memory));
PLUGBAY_GUEST_DECLARE(region_memory)

asm(PLUGBAY_GUEST_BEGIN(watched_ram) R"(
    movb $1, %bl
    movl $0x400000, %esi
    movl $0x0f0f0f0f, 8(%rsi)
    cmpl $0xf0f0f0f0, 8(%rsi)
    jne 9f
    incb %bl
    movb $0, 0x1fff(%rsi)
    cmpb $0xff, 0x1fff(%rsi)
    jne 9f
    incb %bl
    movl $7, -4(%rsi)
    cmpl $7, -4(%rsi)
    jne 9f
    incb %bl
    movl $9, 0x2000(%rsi)
    cmpl $9, 0x2000(%rsi)
    jne 9f
    incb %bl
    movl $0x500000, %esi
    movl 0x10(%rsi), %eax
    cmpl $0x5a5a5a5a, %eax
    jne 9f
    incb %bl
    movl $3, 0x10(%rsi)
    movl 0x1ffc(%rsi), %eax
    cmpl $0x5a5a5a5a, %eax
    jne 9f
    incb %bl
    movl $11, 0x2000(%rsi)
    cmpl $11, 0x2000(%rsi)
    jne 9f
    incb %bl
    movl $12, 0xaffffc(%rsi)
    cmpl $12, 0xaffffc(%rsi)
    jne 9f
    xorb %bl, %bl
9:  movb %bl, %al
    outb %al, $0xf4
8:  hlt
    jmp 8b
)" PLUGBAY_GUEST_END(watched_ram));
PLUGBAY_GUEST_DECLARE(watched_ram)

// Four jobs, and a key; waits until their results are there.
asm(PLUGBAY_GUEST_BEGIN(jobs_and_keys) R"(
    movl $0x530, %edx
    movl $4, %ecx
1:  movl %ecx, %eax
    outl %eax, %dx
    loop 1b
1:  inl %dx, %eax
    cmpl $10, %eax
    jne 1b
    movl $0x540, %edx
    movl $30, %eax
    outl %eax, %dx
1:  inl %dx, %eax
    cmpl $30, %eax
    jne 1b
    xorl %eax, %eax
    outb %al, $0xf4
8:  hlt
    jmp 8b
)" PLUGBAY_GUEST_END(jobs_and_keys));
PLUGBAY_GUEST_DECLARE(jobs_and_keys)

namespace plugbay::end_to_end {
namespace {

class MemoryHooks : public MachineTest {
  protected:
    void expect_success(GuestProgram program, const std::string& devices) {
        const Outcome outcome = run_machine(program, devices, with_probes(long_64()));
        if (outcome.errors.find("READONLY_MEM") != std::string::npos)
            GTEST_SKIP() << "this KVM has no READONLY_MEM";
        EXPECT_EQ(outcome.status, 0) << "the number of the check that failed\n" << outcome.text();
    }
};

TEST_F(MemoryHooks, RegionsAreReadAtOnceAndWrittenAsTheirKindSays) {
    expect_success(
        guest_program_region_memory(),
        R"(, { "type": "probe-region", "id": "ram", "track": true })"
        R"(, { "type": "probe-region", "id": "rom", "kind": 2, "address": "0xd4010000", "port": "0x524" })"
        R"(, { "type": "probe-region", "id": "hook", "kind": 3, "address": "0xd4020000", "port": "0x528" })");
}

TEST_F(MemoryHooks, WatchedRamComesToItsDevice) {
    expect_success(guest_program_watched_ram(),
                   R"(, { "type": "probe-watch", "id": "writes" })"
                   R"(, { "type": "probe-watch", "id": "all", "what": 2, "address": "0x500000" })");
}

TEST_F(MemoryHooks, JobsAndKeysComeBackToTheGuest) {
    expect_success(guest_program_jobs_and_keys(),
                   R"(, { "type": "probe-worker", "id": "w" }, { "type": "probe-events", "id": "e" })");
}

} // namespace
} // namespace plugbay::end_to_end
