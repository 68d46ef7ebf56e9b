#include "core/kvm/debug_probe.hpp"

#include "core/kvm/tiny_guest.hpp"

// A write of 3 bytes, and instructions of one. Then the program ends by an access that is an exit.
asm(PLUGBAY_GUEST_BEGIN(probe_stops) R"(
    movb $1, (%rsi)
    nop
    nop
    outb %al, $0xf4
)" PLUGBAY_GUEST_END(probe_stops));
PLUGBAY_GUEST_DECLARE(probe_stops)

asm(PLUGBAY_GUEST_BEGIN(probe_int3) R"(
    int3
    outb %al, $0xf4
)" PLUGBAY_GUEST_END(probe_int3));
PLUGBAY_GUEST_DECLARE(probe_int3)

asm(PLUGBAY_GUEST_BEGIN(probe_skip) "iretq\n" PLUGBAY_GUEST_END(probe_skip));
PLUGBAY_GUEST_DECLARE(probe_skip)

namespace plugbay::core {

namespace {

constexpr std::chrono::milliseconds limit{3000};

bool stops(const KvmSystem& system, GuestProgram program, const VcpuDebug& debug) {
    const auto made = TinyGuest::create(system, program, {});
    if (!made) return false;
    const auto& guest = *made;
    if (!guest->set_handler(3, guest_program_probe_skip()) || !guest->vcpu().set_debug(debug)) return false;
    auto registers = guest->vcpu().general_registers();
    if (!registers) return false;
    registers->rsi = TinyGuest::data_address;
    if (!guest->vcpu().set_general_registers(*registers)) return false;
    bool stopped = false;
    const auto end = run_guarded(
        guest, 0,
        [&stopped](VcpuExit& exit) {
            stopped = exit.kind == VcpuExit::Kind::debug;
            return false;
        },
        limit);
    return end == GuardedEnd::finished && stopped;
}

} // namespace

bool int3_works(const KvmSystem& system) {
    return stops(system, guest_program_probe_int3(), {.software_breakpoints = true});
}

bool breakpoint_registers_work(const KvmSystem& system) {
    VcpuDebug execute;
    execute.slots[0] = HardwareBreakpoint{.address = TinyGuest::program_address + 4};
    VcpuDebug write;
    write.slots[3] = HardwareBreakpoint{
        .kind = HardwareBreakpoint::Kind::write, .length = 1, .address = TinyGuest::data_address};
    return stops(system, guest_program_probe_stops(), execute) &&
           stops(system, guest_program_probe_stops(), write);
}

} // namespace plugbay::core
