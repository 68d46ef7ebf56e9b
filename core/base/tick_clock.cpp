#include "core/base/tick_clock.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace plugbay::core {

namespace {

std::uint64_t monotonic_nanoseconds() {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                          std::chrono::steady_clock::now().time_since_epoch())
                                          .count());
}

} // namespace

TickClock::TickClock() : first_nanoseconds_(monotonic_nanoseconds()), first_ticks_(__rdtsc()) {}

TickScale TickClock::scale() const {
    constexpr std::uint64_t enough = 10'000'000; // ns; a clock read late by 1 us is off by 0.01 %
    const std::uint64_t age = monotonic_nanoseconds() - first_nanoseconds_;
    if (age < enough) std::this_thread::sleep_for(std::chrono::nanoseconds(enough - age));
    const auto nanoseconds = static_cast<double>(monotonic_nanoseconds() - first_nanoseconds_);
    const auto ticks = static_cast<double>(__rdtsc() - first_ticks_);
    return std::max(TickScale{1}, static_cast<TickScale>(nanoseconds / ticks * 65536));
}

} // namespace plugbay::core
