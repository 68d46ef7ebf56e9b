// plugbay.timer/1
#include "host_call.hpp"

namespace plugbay::testkit::detail {
namespace {

std::uint64_t now(const plugbay_host* host, std::uint32_t clock) noexcept {
    HostCall call(host, "now");
    if (clock < PLUGBAY_CLOCK_GUEST || clock > PLUGBAY_CLOCK_CALENDAR) {
        call.violate(PLUGBAY_INVALID, "unknown clock");
        return 0;
    }
    return call.machine.now(clock);
}

plugbay_status create(const plugbay_host* host, std::uint32_t clock, std::uint64_t token,
                      plugbay_handle* timer) noexcept {
    HostCall call(host, "timer create");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    if (timer == nullptr) return call.violate(PLUGBAY_INVALID, "the handle pointer is NULL");
    if (clock != PLUGBAY_CLOCK_GUEST && clock != PLUGBAY_CLOCK_HOST)
        return call.violate(PLUGBAY_INVALID, "timers run on the guest or the host clock");
    if (call.device.timer == nullptr || call.device.timer->expired == nullptr)
        return call.violate(PLUGBAY_INVALID, "the device has no " PLUGBAY_TIMER " callbacks");
    *timer = HostCall::store(call.machine, call.machine.timers, TimerRecord{&call.device, clock, token});
    return PLUGBAY_OK;
}

plugbay_status arm(const plugbay_host* host, plugbay_handle handle, std::uint64_t deadline,
                   std::uint64_t period) noexcept {
    HostCall call(host, "timer arm");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    TimerRecord* timer = call.find(call.machine.timers, handle);
    if (timer == nullptr) return PLUGBAY_STALE;
    timer->armed = true;
    timer->deadline = deadline;
    timer->period = period;
    return PLUGBAY_OK;
}

plugbay_status disarm(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "timer disarm");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    TimerRecord* timer = call.find(call.machine.timers, handle);
    if (timer == nullptr) return PLUGBAY_STALE;
    timer->armed = false;
    return PLUGBAY_OK;
}

plugbay_status destroy(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "timer destroy");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    return call.give_back(call.machine.timers, handle);
}

} // namespace

constinit const plugbay_timer_host timer_host{
    sizeof(plugbay_timer_host), 0, now, create, arm, disarm, destroy};

} // namespace plugbay::testkit::detail
