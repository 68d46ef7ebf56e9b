// Devices with memory beside RAM, with an eye on RAM, with workers, in whole machines.
#include "machine_test.hpp"

asm(PLUGBAY_GUEST_BEGIN(region_memory) R"(
    begin_checks
    movl $0xd4000000, %esi
    movabsq $0x1122334455667788, %rax
    expect %rax, (%rsi), q
    movl $0x520, %edx
    inl %dx, %eax
    movl $0x12345678, 0x1ffe(%rsi)
    movl %esi, 0x8000(%rsi)
    expect $0x12345678, 0x1ffe(%rsi), l
    inl %dx, %eax
    expect $3, %eax
    inl %dx, %eax
    expect $0, %eax
    movl $0xd4010000, %esi
    movabsq $0x1122334455667788, %rax
    expect %rax, (%rsi), q
    movq $0, (%rsi)
    movl $7, 0x1ffe(%rsi)
    cmpq %rax, (%rsi)
    jne 9f
    expect $0, 0x1ffe(%rsi), l
    movl $0xd4020000, %esi
    expect %rax, (%rsi), q
    movl $41, 0x1004(%rsi)
    expect $42, 0x1004(%rsi), l
    movl $1000, %ecx
1:  cmpl $42, 0x1004(%rsi)
    jne 9f
    loop 1b
    read_port 0x528
    expect $1, %eax
    movl $0xd4030000, %esi
    expect $-1, (%rsi), l
    end_checks
)" PLUGBAY_GUEST_END(region_memory));
PLUGBAY_GUEST_DECLARE(region_memory)

asm(PLUGBAY_GUEST_BEGIN(watched_ram) R"(
    begin_checks
    movl $0x400000, %esi
    movl $0x0f0f0f0f, 8(%rsi)
    expect $0xf0f0f0f0, 8(%rsi), l
    movb $0, 0x1fff(%rsi)
    expect $0xff, 0x1fff(%rsi), b
    movl $7, -4(%rsi)
    expect $7, -4(%rsi), l
    movl $9, 0x2000(%rsi)
    expect $9, 0x2000(%rsi), l
    movl $0x500000, %esi
    movl 0x10(%rsi), %eax
    expect $0x5a5a5a5a, %eax
    movl $3, 0x10(%rsi)
    movl 0x1ffc(%rsi), %eax
    expect $0x5a5a5a5a, %eax
    movl $11, 0x2000(%rsi)
    expect $11, 0x2000(%rsi), l
    movl $12, 0xaffffc(%rsi)
    expect $12, 0xaffffc(%rsi), l
    end_checks
)" PLUGBAY_GUEST_END(watched_ram));
PLUGBAY_GUEST_DECLARE(watched_ram)

// Four jobs, and a key; waits until their results are there.
asm(PLUGBAY_GUEST_BEGIN(jobs_and_keys) R"(
    movl $0x530, %edx
    movl $4, %ecx
1:  movl %ecx, %eax
    outl %eax, %dx
    loop 1b
    wait_for_port 0x530, 10
    write_port 0x540, $30
    wait_for_port 0x540, 30
    xorl %eax, %eax
    end_machine
)" PLUGBAY_GUEST_END(jobs_and_keys));
PLUGBAY_GUEST_DECLARE(jobs_and_keys)

namespace plugbay::end_to_end {
namespace {

class MemoryHooks : public MachineTest {};

TEST_F(MemoryHooks, RegionsAreReadAtOnceAndWrittenAsTheirKindSays) {
    expect_success(
        guest_program_region_memory(),
        R"(, { "type": "probe-region", "id": "ram", "track": true })"
        R"(, { "type": "probe-region", "id": "rom", "kind": 2, "address": "0xd4010000", "port": "0x524" })"
        R"(, { "type": "probe-region", "id": "hook", "kind": 3, "address": "0xd4020000", "port": "0x528" })",
        with_probes(long_64()));
}

TEST_F(MemoryHooks, WatchedRamComesToItsDevice) {
    expect_success(guest_program_watched_ram(),
                   R"(, { "type": "probe-watch", "id": "writes" })"
                   R"(, { "type": "probe-watch", "id": "all", "what": 2, "address": "0x500000" })",
                   with_probes(long_64()));
}

TEST_F(MemoryHooks, JobsAndKeysComeBackToTheGuest) {
    expect_success(guest_program_jobs_and_keys(),
                   R"(, { "type": "probe-worker", "id": "w" }, { "type": "probe-events", "id": "e" })",
                   with_probes(long_64()));
}

} // namespace
} // namespace plugbay::end_to_end
