/* plugbay.memory/1: the guest's RAM, by guest-physical address. The guest changes it at any time: read a
 * value once into a variable of your own, check that, use that. */
#ifndef PLUGBAY_ABI_MEMORY_H
#define PLUGBAY_ABI_MEMORY_H

#include "base.h"
#include "segment.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_MEMORY "plugbay.memory/1"

#define PLUGBAY_MAP_READ 1u
#define PLUGBAY_MAP_WRITE 2u

#define PLUGBAY_MEMORY_MOST_SEGMENTS 4096u

/* Host side only. Every function checks the whole range and does nothing but fail with PLUGBAY_INVALID when a
 * byte of it is not RAM. */
struct plugbay_memory_host {
    uint32_t size;
    uint32_t reserved;
    /* [any] Copies `length` bytes out of, or into, guest memory. */
    plugbay_status (*read)(const struct plugbay_host* host, uint64_t address, void* bytes, uint64_t length);
    plugbay_status (*write)(const struct plugbay_host* host, uint64_t address, const void* bytes,
                            uint64_t length);
    /* [any] A host pointer to exactly [address, address + length), for `access` (PLUGBAY_MAP_...). Valid
     * until unmapped, at the latest until the device is quiesced or destroyed; map again after resume. A
     * range that is not contiguous for the host is refused with PLUGBAY_INVALID: split it or copy. */
    plugbay_status (*map)(const struct plugbay_host* host, uint64_t address, uint64_t length, uint32_t access,
                          void** pointer);
    /* [any] Ends a map with its address, length and access; the bytes written count as dirty from now on. Who
     * maps for writing unmaps before it is quiesced, or a copy of the guest may miss what it wrote. */
    plugbay_status (*unmap)(const struct plugbay_host* host, uint64_t address, uint64_t length,
                            uint32_t access);
    /* [any] Copies out of, or into, `count` segments (at most PLUGBAY_MEMORY_MOST_SEGMENTS) one after the
     * other, whose lengths add up to `length`. All of them are checked first. */
    plugbay_status (*read_segments)(const struct plugbay_host* host, const struct plugbay_segment* segments,
                                    uint32_t count, void* bytes, uint64_t length);
    plugbay_status (*write_segments)(const struct plugbay_host* host, const struct plugbay_segment* segments,
                                     uint32_t count, const void* bytes, uint64_t length);
};

#ifdef __cplusplus
}
#endif

#endif
