// Guests that run guests of their own: what KVM keeps of that for a vCPU (KVM api.rst, KVM_GET_NESTED_STATE). The vCPU stands
// still. On failure errno says why.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace plugbay::core {

class KvmVcpu;

// Whether the vCPU is inside such a guest, or its interrupts are off as a whole, as between two of them (AMD). No snapshot
// has that.
[[nodiscard]] bool in_nested_guest(const KvmVcpu& vcpu);

// struct kvm_nested_state of a vCPU that is in none of them. Empty: a processor just switched on has no more.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> get_nested_state(const KvmVcpu& vcpu);
[[nodiscard]] bool set_nested_state(const KvmVcpu& vcpu, std::span<const std::uint8_t> state);

// Ends such a guest, and the operation that allows them (Intel's VMXON), with none of the checks of an instruction.
[[nodiscard]] bool leave_nested_guests(const KvmVcpu& vcpu);

} // namespace plugbay::core
