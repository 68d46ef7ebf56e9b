// Short durations by the processor's time stamp counter, which costs less to read than any clock of the kernel's.
#pragma once

#include "core/base/counter.hpp"

#include <cstdint>
#include <x86intrin.h>

namespace plugbay::core {

// How long a tick is: nanoseconds times 2^16, good for durations of up to a day. 0: nothing is measured.
using TickScale = std::uint64_t;

// Finds the scale: by how far the counter and the host's monotonic clock got since the object was made.
class TickClock {
  public:
    TickClock();
    // At least 1. Waits until the object is 10 ms old. Thread: any.
    [[nodiscard]] TickScale scale() const;

  private:
    const std::uint64_t first_nanoseconds_;
    const std::uint64_t first_ticks_;
};

// Adds the time of its life to a histogram; with a scale of 0 does nothing. Thread: as LatencyHistogram::add.
class Stopwatch {
  public:
    Stopwatch(TickScale scale, LatencyHistogram& histogram) : scale_(scale), histogram_(histogram) {
        if (scale != 0) [[unlikely]]
            begun_ = __rdtsc();
    }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;
    ~Stopwatch() {
        if (scale_ != 0) [[unlikely]]
            histogram_.add(((__rdtsc() - begun_) * scale_) >> 16);
    }

  private:
    const TickScale scale_;
    LatencyHistogram& histogram_;
    std::uint64_t begun_ = 0;
};

} // namespace plugbay::core
