// One guest access to a device, or another event that its code was entered for, as taps see it.
#pragma once

#include <cstdint>

namespace plugbay::core {

struct AccessRecord {
    enum class Kind : std::uint8_t {
        read, // of ports or memory
        write,
        msr_read,
        msr_write,
        call,  // a hypercall
        timer, // of the device's, that has expired
        input, // anything else that the device was entered for: `what` says it
    };
    static constexpr std::int16_t no_vcpu = -1;

    Kind kind = Kind::read;
    std::uint8_t width = 0;      // bytes, of ports and memory
    bool answered = true;        // false: the MSR access was refused, which the guest sees as a fault
    bool overlapped = false;     // another access to the device was under way at some time during this one
    std::int16_t vcpu = no_vcpu; // the number of the vCPU that it came from
    std::uint16_t build = 0;     // the device's builds are numbered from 1
    std::uint32_t took = 0;      // ns, at most
    std::uint64_t time = 0;      // when it came in, on the guest's clock, ns
    std::uint64_t token = 0;     // of ports and memory: the build's own
    std::uint64_t offset = 0;    // in what the token leads to; the MSR's index, the call's number
    std::uint64_t value = 0;     // written, or the answer; of a call its result
    const char* what = nullptr;  // of an input: a text that is always there, "a doorbell"
};
static_assert(sizeof(AccessRecord) <= 56, "with its sequence number it fills a line of the cache");

} // namespace plugbay::core
