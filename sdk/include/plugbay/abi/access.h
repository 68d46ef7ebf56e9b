/* plugbay.access/1: guest accesses to port and memory ranges. Host and device each have a table under this
 * id. */
#ifndef PLUGBAY_ABI_ACCESS_H
#define PLUGBAY_ABI_ACCESS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_ACCESS "plugbay.access/1"

/* Device side. `token` is what the device chose when it mapped the region; `offset` counts from the region's
 * start; `width` is 1, 2, 4 or 8 bytes (ports: never 8) and offset + width never passes the region's end.
 * Guest accesses that would are answered by the host like an unmapped address (reads give all ones). */
struct plugbay_access_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [vcpu] The value read, in the low `width` bytes. */
    uint64_t (*read)(void* instance, uint64_t token, uint64_t offset, uint32_t width);
    /* [vcpu] `value` has zeros above `width` bytes. */
    void (*write)(void* instance, uint64_t token, uint64_t offset, uint32_t width, uint64_t value);
};

/* Host side. Ranges are exclusive: an overlap is refused with PLUGBAY_TAKEN and names both owners. */
struct plugbay_access_host {
    uint32_t size;
    uint32_t reserved;
    /* [device] Takes ports first .. first + count - 1 (count 1 to 65536). */
    plugbay_status (*map_ports)(const struct plugbay_host* host, uint32_t first, uint32_t count,
                                uint64_t token, plugbay_handle* region);
    /* [device] Takes guest-physical addresses address .. address + length - 1; never RAM. */
    plugbay_status (*map_memory)(const struct plugbay_host* host, uint64_t address, uint64_t length,
                                 uint64_t token, plugbay_handle* region);
    /* [device] Gives a region back. */
    plugbay_status (*unmap)(const struct plugbay_host* host, plugbay_handle region);
};

#ifdef __cplusplus
}
#endif

#endif
