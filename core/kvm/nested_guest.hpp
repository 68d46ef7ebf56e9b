// Guests that run guests of their own.
#pragma once

namespace plugbay::core {

class KvmVcpu;

// Whether KVM keeps something of such a guest for the vCPU, which stands still: it is inside one, or between turning
// virtualisation on and off (Intel), or its interrupts are off as a whole (AMD). No snapshot has that.
[[nodiscard]] bool has_nested_state(const KvmVcpu& vcpu);

} // namespace plugbay::core
