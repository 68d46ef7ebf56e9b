/* plugbay.live/1: properties that change while the machine runs, those declared with PLUGBAY_PROPERTY_LIVE. Device side
 * only. */
#ifndef PLUGBAY_ABI_LIVE_H
#define PLUGBAY_ABI_LIVE_H

#include "property.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_LIVE "plugbay.live/1"

struct plugbay_live_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [control] & created, running or quiesced, serialised like all callbacks  `values` are those of all properties as
     * for create, checked against their declarations; only live ones differ from what the device has. Anything but
     * PLUGBAY_OK, with a text set through the host, and the device goes on as before. */
    plugbay_status (*change)(void* instance, const struct plugbay_value* values, uint32_t count);
};

#ifdef __cplusplus
}
#endif

#endif
