// What the snapshots of snapshot.hpp hold. Includes the kernel's interface: for .cpp files of this folder alone.
#pragma once

#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/snapshot.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace plugbay::core {

struct VcpuSnapshot::State {
    kvm_regs registers{};
    kvm_sregs special{};
    kvm_fpu fpu{};
    std::optional<abi::ExtendedState> extended;
    std::optional<kvm_xcrs> control;
    std::optional<kvm_debugregs> debug;
    std::optional<kvm_vcpu_events> events;
    std::vector<std::uint8_t> nested; // kvm_nested_state; empty: nothing
    kvm_lapic_state apic{};
    kvm_mp_state run_state{};
    std::vector<kvm_msr_entry> msrs;
    std::uint64_t time_stamp = 0;
};

struct ChipSnapshot::State {
    std::array<kvm_irqchip, 3> chips{};
    std::optional<kvm_pit_state2> pit;
};

struct ClockSnapshot::State {
    std::optional<kvm_clock_data> clock;
    std::optional<kvm_pit_state2> pit;
};

} // namespace plugbay::core
