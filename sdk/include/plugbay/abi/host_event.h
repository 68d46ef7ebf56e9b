/* plugbay.host-event/1: what happens outside the guest and concerns whoever asked: keys, pointers, consoles
 * that change their size. Host and device each have a table under this id. */
#ifndef PLUGBAY_ABI_HOST_EVENT_H
#define PLUGBAY_ABI_HOST_EVENT_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_HOST_EVENT "plugbay.host-event/1"

/* Kinds; subscriptions take several. Codes are Linux's (linux/input-event-codes.h). */
#define PLUGBAY_EVENT_KEY 1u    /* code: KEY_...; x: 0 released, 1 pressed, 2 repeated */
#define PLUGBAY_EVENT_BUTTON 2u /* code: BTN_...; x: 0 released, 1 pressed */
#define PLUGBAY_EVENT_MOVE                                                                                   \
    4u /* the pointer moved by x (right), y (down); z: wheel steps, away from the user */
#define PLUGBAY_EVENT_POSITION 8u /* the pointer is at x, y: 0 to 32767 across the screen */
#define PLUGBAY_EVENT_RESIZE 16u  /* a console has x columns and y rows (code 0), or pixels (code 1) */
#define PLUGBAY_EVENT_TICK 32u /* code: who ticks, by agreement of the devices; x: how often since the last */
#define PLUGBAY_EVENT_ALL 63u

/* Fixed. */
struct plugbay_host_event {
    uint32_t kind; /* one of the above */
    uint32_t code;
    int32_t x, y, z;
    uint32_t dropped; /* to subscribers: events that were lost before this one; publishers: 0 */
};

/* Device side. */
struct plugbay_host_event_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [io] */
    void (*event)(void* instance, uint64_t token, const struct plugbay_host_event* event);
};

/* Host side. Each subscription has a queue of 256 events; when it is full the oldest is dropped, and counted.
 * Events that come while the device is quiesced wait. */
struct plugbay_host_event_host {
    uint32_t size;
    uint32_t reserved;
    /* [device] `kinds`: PLUGBAY_EVENT_... */
    plugbay_status (*subscribe)(const struct plugbay_host* host, uint32_t kinds, uint64_t token,
                                plugbay_handle* subscription);
    /* [any] Tells all subscribers of its kind, the publisher too when it is one. Nobody listening is no
       error. */
    plugbay_status (*publish)(const struct plugbay_host* host, const struct plugbay_host_event* event);
    /* [device] */
    plugbay_status (*unsubscribe)(const struct plugbay_host* host, plugbay_handle subscription);
};

#ifdef __cplusplus
}
#endif

#endif
