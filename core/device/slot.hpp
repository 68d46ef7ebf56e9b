// The core's stable place for one device. Guest accesses, timers and doorbells go through the slot, never
// straight to a plugin's code, so that the code behind it can be held still and replaced.
#pragma once

#include "core/bus/access_counts.hpp"
#include "core/device/callback_lock.hpp"

#include <plugbay/abi/access.h>
#include <plugbay/abi/hypercall.h>
#include <plugbay/abi/msr.h>
#include <plugbay/abi/plugin.h>

#include <atomic>
#include <string>
#include <vector>

namespace plugbay::core {

// What a slot points at: one build's instance and its tables. Immutable once published.
struct Binding {
    const plugbay_device_type* type = nullptr;
    void* instance = nullptr;
    const plugbay_access_callbacks* access = nullptr; // null: the device takes no guest accesses
    const plugbay_msr_callbacks* msr = nullptr;       // null: it has no MSRs
    const plugbay_hypercall_callbacks* hypercall = nullptr;
};

struct Slot {
    std::string id; // of the device, for reports
    std::atomic<const Binding*> binding{nullptr};
    // Null for a concurrent device. Changes only while the gate is closed.
    std::atomic<CallbackLock*> lock{nullptr};
    // How many hold its gate closed: accesses wait outside until none does; see GateClosed.
    std::atomic<std::uint32_t> closed{0};
    // Of a serialised device one, written holding the lock; of a concurrent one, one for each vCPU, written by its thread.
    // Their number is fixed before the first access.
    std::vector<AccessCounts> counts = std::vector<AccessCounts>(1);

    // Where accesses of the presence with this number are counted. Presences beyond the vCPUs', which only tests have,
    // share the first, and may lose counts.
    [[nodiscard]] AccessCounts& counts_of(std::size_t presence) {
        return counts[presence < counts.size() ? presence : 0];
    }
};

} // namespace plugbay::core
