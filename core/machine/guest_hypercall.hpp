// The guest's hypercalls: one kind of port write, with registers. abi/hypercall.h is the contract.
#pragma once

#include "core/bus/access_bus.hpp"
#include "core/kvm/kvm_vcpu.hpp"

namespace plugbay::core {

// True when `exit`, the last of `vcpu`, was a hypercall: it has been carried out, and its registers reach
// the guest when it goes on. Thread: the vCPU's own, which owns `presence`.
[[nodiscard]] bool answer_hypercall(AccessBus& bus, Presence& presence, KvmVcpu& vcpu, const VcpuExit& exit);

} // namespace plugbay::core
