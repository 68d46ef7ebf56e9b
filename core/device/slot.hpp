// The core's stable place for one device. Guest accesses, timers and doorbells go through the slot, never
// straight to a plugin's code, so that the code behind it can be held still and replaced.
#pragma once

#include "core/device/callback_lock.hpp"

#include <plugbay/abi/access.h>
#include <plugbay/abi/hypercall.h>
#include <plugbay/abi/msr.h>
#include <plugbay/abi/plugin.h>

#include <atomic>
#include <string>

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
};

} // namespace plugbay::core
