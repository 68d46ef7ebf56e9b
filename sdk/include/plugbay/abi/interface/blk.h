/* blk/1: a disk, asynchronous and batched. Frontends: virtio-blk. Backends: files, memory. Data is named by
 * guest-physical address, never by host pointer. See link.h for how the tables are reached. */
#ifndef PLUGBAY_ABI_INTERFACE_BLK_H
#define PLUGBAY_ABI_INTERFACE_BLK_H

#include "../base.h"
#include "../segment.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_BLK "blk/1"

#define PLUGBAY_BLK_READ 1u         /* disk to guest memory */
#define PLUGBAY_BLK_WRITE 2u        /* guest memory to disk */
#define PLUGBAY_BLK_FLUSH 3u        /* all writes completed before it was submitted become durable */
#define PLUGBAY_BLK_DISCARD 4u      /* the range's contents may be forgotten */
#define PLUGBAY_BLK_WRITE_ZEROES 5u /* the range reads as zeros */

#define PLUGBAY_BLK_MAY_UNMAP 1u /* request flag: WRITE_ZEROES may deallocate */

/* Fixed. */
struct plugbay_blk_request {
    uint64_t tag;    /* the frontend's name for it, returned in the completion */
    uint64_t offset; /* bytes from the start of the disk */
    uint64_t length; /* bytes; equals the sum of the segments for READ and WRITE */
    uint32_t operation;
    uint32_t flags;
    const struct plugbay_segment* segments; /* valid during submit only */
    uint32_t segment_count;
    uint32_t reserved;
};

/* Fixed. `status`: PLUGBAY_OK, PLUGBAY_FAILED (I/O error), PLUGBAY_INVALID (outside the disk, not RAM,
 * read-only), PLUGBAY_UNSUPPORTED. */
struct plugbay_blk_completion {
    uint64_t tag;
    plugbay_status status;
    uint32_t reserved;
};

#define PLUGBAY_BLK_READ_ONLY 1u
#define PLUGBAY_BLK_CAN_DISCARD 2u
#define PLUGBAY_BLK_CAN_WRITE_ZEROES 4u

struct plugbay_blk_facts {
    uint32_t size;
    uint32_t flags;               /* PLUGBAY_BLK_READ_ONLY, ... */
    uint64_t capacity;            /* bytes, a multiple of logical_block_size */
    uint32_t logical_block_size;  /* 512 or 4096: unit of offset and length */
    uint32_t physical_block_size; /* a hint */
};

/* What a backend implements ("blk/1.backend"). */
struct plugbay_blk_backend {
    uint32_t size;
    uint32_t reserved;
    /* [device] Fills in what fits into facts->size, which the caller sets. */
    void (*facts)(void* instance, uint64_t port, struct plugbay_blk_facts* facts);
    /* [device] Takes all `count` requests; each gets exactly one completion, in any order, perhaps before
     * submit returns. A backend checks ranges itself. */
    void (*submit)(void* instance, uint64_t port, const struct plugbay_blk_request* requests, uint32_t count);
};

/* What a frontend implements ("blk/1.frontend"). */
struct plugbay_blk_frontend {
    uint32_t size;
    uint32_t reserved;
    /* [device] */
    void (*complete)(void* instance, uint64_t port, const struct plugbay_blk_completion* completions,
                     uint32_t count);
    /* [device] The backend's facts changed (a resized disk, a new medium). */
    void (*changed)(void* instance, uint64_t port);
};

#ifdef __cplusplus
}
#endif

#endif
