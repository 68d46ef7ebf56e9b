/* plugbay.timer/1: deadlines and clocks. All times are nanoseconds. */
#ifndef PLUGBAY_ABI_TIMER_H
#define PLUGBAY_ABI_TIMER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_TIMER "plugbay.timer/1"

#define PLUGBAY_CLOCK_GUEST 1u    /* since the machine first started; stands still while it is paused */
#define PLUGBAY_CLOCK_HOST 2u     /* monotonic, never stops */
#define PLUGBAY_CLOCK_CALENDAR 3u /* UTC since 1970; for reading only, not for timers */

/* Device side. */
struct plugbay_timer_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [io] The deadline passed. A periodic timer that fell behind is called once for all periods missed. */
    void (*expired)(void* instance, uint64_t token);
};

/* Host side. */
struct plugbay_timer_host {
    uint32_t size;
    uint32_t reserved;
    /* [any] */
    uint64_t (*now)(const struct plugbay_host* host, uint32_t clock);
    /* [device] Makes a timer, not armed. */
    plugbay_status (*create)(const struct plugbay_host* host, uint32_t clock, uint64_t token,
                             plugbay_handle* timer);
    /* [device] Calls `expired` at `deadline` on the timer's clock (a past one: as soon as possible) and then
     * every `period` unless that is 0. Replaces an earlier arming. */
    plugbay_status (*arm)(const struct plugbay_host* host, plugbay_handle timer, uint64_t deadline,
                          uint64_t period);
    /* [device] No call of `expired` starts after this returns, until armed again. */
    plugbay_status (*disarm)(const struct plugbay_host* host, plugbay_handle timer);
    /* [device] */
    plugbay_status (*destroy)(const struct plugbay_host* host, plugbay_handle timer);
};

#ifdef __cplusplus
}
#endif

#endif
