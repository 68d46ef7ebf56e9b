// The accesses in a vCPU's exits, handed to the bus. Everything between KVM and a device's slot is here and
// in core/bus/access_bus.cpp.
#pragma once

#include "core/bus/access_bus.hpp"
#include "core/kvm/vcpu_exit.hpp"

namespace plugbay::core {

// True when `exit` was a port or memory access: it has been carried out, and what was read lies where KVM
// takes it from. Thread: the vCPU's own, which owns `presence`.
[[nodiscard]] bool answer_access(AccessBus& bus, Presence& presence, const VcpuExit& exit);

} // namespace plugbay::core
