/* plugbay.doorbell/1: guest writes that only mean "look at your queue". The vCPU does not wait for the
 * device: the write is latched in the kernel and the device is called on its I/O loop. */
#ifndef PLUGBAY_ABI_DOORBELL_H
#define PLUGBAY_ABI_DOORBELL_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_DOORBELL "plugbay.doorbell/1"

/* Device side. */
struct plugbay_doorbell_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [io] The doorbell was rung once or more since the last call; or the machine goes on from a checkpoint, and it may
     * have been rung before that. */
    void (*rung)(void* instance, uint64_t token);
};

#define PLUGBAY_DOORBELL_ANY_VALUE 1u /* `value` is ignored: every write of `width` bytes rings */

/* Host side. */
struct plugbay_doorbell_host {
    uint32_t size;
    uint32_t reserved;
    /* [device] Guest writes of `width` bytes (1, 2, 4 or 8) to `offset` in `region` (a mapped region or a
     * BAR, see pci.h) that carry `value` ring instead of reaching `write`. Where the host cannot latch them,
     * writes reach `write` as usual: a device treats that write as a ring too. */
    plugbay_status (*create)(const struct plugbay_host* host, plugbay_handle region, uint64_t offset,
                             uint32_t width, uint32_t flags, uint64_t value, uint64_t token,
                             plugbay_handle* doorbell);
    /* [any] Rings it from the host's side; many rings may become one call. */
    plugbay_status (*ring)(const struct plugbay_host* host, plugbay_handle doorbell);
    /* [device] */
    plugbay_status (*destroy)(const struct plugbay_host* host, plugbay_handle doorbell);
};

#ifdef __cplusplus
}
#endif

#endif
