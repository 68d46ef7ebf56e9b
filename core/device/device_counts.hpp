// What is counted of one device, beside guest accesses.
#pragma once

#include "core/base/counter.hpp"

namespace plugbay::core {

struct DeviceCounts {
    SharedCounter interrupts; // lines and pins that went high, MSI-X messages; any thread
    SharedCounter errors;     // what it logged as errors, failed callbacks among them; any thread
    // Calls into the device; written holding its lock.
    Counter doorbells;
    Counter timers;
    Counter descriptors;
    Counter held_back; // events that came while it was quiesced
};

} // namespace plugbay::core
