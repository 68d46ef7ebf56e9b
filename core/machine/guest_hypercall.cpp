#include "core/machine/guest_hypercall.hpp"

#include <plugbay/abi/hypercall.h>

#include <cstring>

namespace plugbay::core {

namespace {

plugbay_hypercall_registers to_abi(const GeneralRegisters& from) {
    plugbay_hypercall_registers to{};
    to.size = sizeof to;
    to.number = static_cast<std::uint32_t>(from.rax);
    to.rax = from.rax;
    to.rbx = from.rbx;
    to.rcx = from.rcx;
    to.rdx = from.rdx;
    to.rsi = from.rsi;
    to.rdi = from.rdi;
    to.rbp = from.rbp;
    to.r8 = from.r8;
    to.r9 = from.r9;
    to.r10 = from.r10;
    to.r11 = from.r11;
    to.r12 = from.r12;
    to.r13 = from.r13;
    to.r14 = from.r14;
    to.r15 = from.r15;
    to.rsp = from.rsp;
    to.rip = from.rip;
    to.rflags = from.rflags;
    return to;
}

// rsp, rip and rflags stay: KVM itself moves rip on, when the guest is entered again.
void apply(const plugbay_hypercall_registers& from, GeneralRegisters& to) {
    to.rax = from.rax;
    to.rbx = from.rbx;
    to.rcx = from.rcx;
    to.rdx = from.rdx;
    to.rsi = from.rsi;
    to.rdi = from.rdi;
    to.rbp = from.rbp;
    to.r8 = from.r8;
    to.r9 = from.r9;
    to.r10 = from.r10;
    to.r11 = from.r11;
    to.r12 = from.r12;
    to.r13 = from.r13;
    to.r14 = from.r14;
    to.r15 = from.r15;
}

} // namespace

bool answer_hypercall(AccessBus& bus, Presence& presence, KvmVcpu& vcpu, const VcpuExit& exit) {
    std::uint32_t number = 0;
    if (exit.kind != VcpuExit::Kind::port_out || exit.port.port != PLUGBAY_HYPERCALL_PORT ||
        exit.port.size != sizeof number || exit.port.count != 1) {
        return false;
    }
    std::memcpy(&number, exit.port.data, sizeof number);
    auto general = vcpu.exit_registers();
    // A string instruction writes from memory: that is no call.
    if (!general || static_cast<std::uint32_t>(general->rax) != number) return false;
    plugbay_hypercall_registers registers = to_abi(*general);
    bus.hypercalls().call(presence, registers);
    apply(registers, *general);
    // KVM gave the registers just now, so it takes them; if it ever does not, the guest sees its own number.
    static_cast<void>(vcpu.set_exit_registers(*general));
    return true;
}

} // namespace plugbay::core
