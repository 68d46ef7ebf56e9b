// Interrupt lines of devices as the guest gets them. Handlers count in %ebp.
#include "machine_test.hpp"

asm(R"(
.macro prepare_interrupts entry, handler
    prepare_handlers
    set_handler 0x40, \handler
    mask_pics
    route_pin 10, \entry
    enable_local_apic
    xorl %ebp, %ebp
    begin_checks
    sti
.endm
# After a level was lowered none come any more, but for one that some implementations have on its way.
.macro expect_quiet wanted
    wait_in_vain
    cmpl $(\wanted + 1), %ebp
    ja 9f
    movl %ebp, %r15d
    wait_in_vain
    expect %r15d, %ebp
.endm
)");

// One interrupt a pulse, and none while the line stays up.
asm(PLUGBAY_GUEST_BEGIN(edges) R"(
    prepare_interrupts 0x40, 7f
    write_port 0x710, $2
    wait_for_interrupts 1
    write_port 0x710, $2
    wait_for_interrupts 2
    write_port 0x710, $1
    wait_for_interrupts 3
    write_port 0x710, $1
    wait_in_vain
    expect $3, %ebp
    write_port 0x710, $0
    write_port 0x710, $1
    wait_for_interrupts 4
    wait_in_vain
    expect $4, %ebp
    end_checks
7:  incl %ebp
    end_interrupt
)" PLUGBAY_GUEST_END(edges));
PLUGBAY_GUEST_DECLARE(edges)

// Comes again until the handler lowers the line, the third time.
asm(PLUGBAY_GUEST_BEGIN(levels) R"(
    prepare_interrupts 0x8040, 7f
    write_port 0x710, $1
    wait_for_interrupts 3
    expect_quiet 3
    xorl %ebp, %ebp
    write_port 0x710, $1
    wait_for_interrupts 3
    expect_quiet 3
    end_checks
7:  incl %ebp
    cmpl $3, %ebp
    jne 6f
    write_port 0x710, $0
6:  end_interrupt
)" PLUGBAY_GUEST_END(levels));
PLUGBAY_GUEST_DECLARE(levels)

// Two devices on one line, which stays up until both have let go of it: one the first time, one the fourth.
asm(PLUGBAY_GUEST_BEGIN(shared_line) R"(
    prepare_interrupts 0x8040, 7f
    cli
    write_port 0x710, $1
    write_port 0x750, $1
    sti
    wait_for_interrupts 4
    expect_quiet 4
    end_checks
7:  incl %ebp
    cmpl $1, %ebp
    jne 5f
    write_port 0x710, $0
5:  cmpl $4, %ebp
    jne 6f
    write_port 0x750, $0
6:  end_interrupt
)" PLUGBAY_GUEST_END(shared_line));
PLUGBAY_GUEST_DECLARE(shared_line)

namespace plugbay::end_to_end {
namespace {

class Interrupts : public MachineTest {};

TEST_F(Interrupts, AnEdgeIsOneInterrupt) {
    expect_success(guest_program_edges(), R"(, { "type": "probe-guest", "id": "probe" })",
                   with_probes(long_64()));
}

TEST_F(Interrupts, ALevelInterruptsUntilItIsLowered) {
    expect_success(guest_program_levels(), R"(, { "type": "probe-guest", "id": "probe" })",
                   with_probes(long_64()));
}

TEST_F(Interrupts, ASharedLineIsUpWhileOneHoldsIt) {
    expect_success(
        guest_program_shared_line(),
        R"(, { "type": "probe-guest", "id": "one", "shared": true })"
        R"(, { "type": "probe-guest", "id": "two", "shared": true, "port": "0x740", "address": "0xd5000040" })",
        with_probes(long_64()));
}

} // namespace
} // namespace plugbay::end_to_end
