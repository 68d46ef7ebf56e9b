/* plugbay.region/1: memory behind guest-physical addresses, which the guest reaches at the speed of memory,
 * and pages of the guest's own RAM that a device watches. Host side only; accesses that come to the device
 * come through its plugbay.access/1 callbacks, with the offset in the region.
 *
 * Separate from plugbay.access/1, whose regions are registers: each access comes to the device. */
#ifndef PLUGBAY_ABI_REGION_H
#define PLUGBAY_ABI_REGION_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_REGION "plugbay.region/1"

/* Kinds of memory. */
#define PLUGBAY_REGION_RAM 1u /* the guest reads and writes */
#define PLUGBAY_REGION_ROM 2u /* what the guest writes is ignored */
#define PLUGBAY_REGION_WRITE_HOOK                                                                            \
    3u /* the guest's writes come to `write`, and change nothing by themselves */

#define PLUGBAY_REGION_TRACK_DIRTY 1u /* flag of PLUGBAY_REGION_RAM: remember which pages the guest writes */

/* What of watched RAM comes to the device. */
#define PLUGBAY_WATCH_WRITES 1u /* writes, which change nothing by themselves; reads see the RAM */
#define PLUGBAY_WATCH_ALL 2u    /* reads and writes; the guest cannot run code there */

/* All addresses and lengths are whole pages of 4096 bytes. */
struct plugbay_region_host {
    uint32_t size;
    uint32_t reserved;
    /* [control] & creating  Puts `length` bytes of zeroed memory at `address`, outside the guest's RAM, and
     * stores where the device sees it: `pointer` (may be NULL when the device does not want it) is valid
     * until the region is removed. Exclusive like the ranges of plugbay.access/1: PLUGBAY_TAKEN names both
     * owners. Its contents are the device's state: they survive a reset unless the device clears them. */
    plugbay_status (*create)(const struct plugbay_host* host, uint32_t kind, uint32_t flags, uint64_t address,
                             uint64_t length, uint64_t token, plugbay_handle* region, void** pointer);
    /* [device] Of a region with PLUGBAY_REGION_TRACK_DIRTY: stores a bit for each page (bit 0 of word 0 is
     * the first) that the guest wrote since the last call, and begins anew. `words` is the length in pages /
     * 64, rounded up. What the device writes itself is not in it. */
    plugbay_status (*take_dirty)(const struct plugbay_host* host, plugbay_handle region, uint64_t* bitmap,
                                 uint64_t words);
    /* [control] & creating  Watches pages of the guest's RAM. The RAM below stays: plugbay.memory/1 reads and
     * writes it as ever, without coming to the device, and so do other devices and what boots the machine. A
     * page has one watcher. Refused with PLUGBAY_FORBIDDEN while the guest runs. */
    plugbay_status (*watch_ram)(const struct plugbay_host* host, uint32_t what, uint64_t address,
                                uint64_t length, uint64_t token, plugbay_handle* watch);
    /* [control] & creating or quiesced  Gives a region or a watch back; a watch is refused with
     * PLUGBAY_FORBIDDEN while the guest runs. */
    plugbay_status (*remove)(const struct plugbay_host* host, plugbay_handle handle);
};

#ifdef __cplusplus
}
#endif

#endif
