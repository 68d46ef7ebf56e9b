#include "core/machine/guest_hypercall.hpp"

#include <plugbay/abi/hypercall.h>

#include <cstring>

namespace plugbay::core {

namespace {

using Guest = GeneralRegisters;
using Call = plugbay_hypercall_registers;
struct Pair {
    std::uint64_t Guest::*guest;
    std::uint64_t Call::*call;
};
// What a call can change.
constexpr Pair written[] = {
    {&Guest::rax, &Call::rax}, {&Guest::rbx, &Call::rbx}, {&Guest::rcx, &Call::rcx},
    {&Guest::rdx, &Call::rdx}, {&Guest::rsi, &Call::rsi}, {&Guest::rdi, &Call::rdi},
    {&Guest::rbp, &Call::rbp}, {&Guest::r8, &Call::r8},   {&Guest::r9, &Call::r9},
    {&Guest::r10, &Call::r10}, {&Guest::r11, &Call::r11}, {&Guest::r12, &Call::r12},
    {&Guest::r13, &Call::r13}, {&Guest::r14, &Call::r14}, {&Guest::r15, &Call::r15},
};
// What it is only shown: KVM itself moves rip on, when the guest is entered again.
constexpr Pair shown[] = {
    {&Guest::rsp, &Call::rsp},
    {&Guest::rip, &Call::rip},
    {&Guest::rflags, &Call::rflags},
};

Call to_abi(const Guest& from) {
    Call to{};
    to.size = sizeof to;
    to.number = static_cast<std::uint32_t>(from.rax);
    for (const auto& [guest, call] : written)
        to.*call = from.*guest;
    for (const auto& [guest, call] : shown)
        to.*call = from.*guest;
    return to;
}

void apply(const Call& from, Guest& to) {
    for (const auto& [guest, call] : written)
        to.*guest = from.*call;
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
    Call registers = to_abi(*general);
    bus.hypercalls().call(presence, registers);
    apply(registers, *general);
    // KVM gave the registers just now, so it takes them; if it ever does not, the guest sees its own number.
    static_cast<void>(vcpu.set_exit_registers(*general));
    return true;
}

} // namespace plugbay::core
