/* plugbay.worker/1: work that takes long or blocks, away from the I/O loop. Host and device each have a
 * table under this id. */
#ifndef PLUGBAY_ABI_WORKER_H
#define PLUGBAY_ABI_WORKER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_WORKER "plugbay.worker/1"

#define PLUGBAY_WORKER_MOST_JOBS 4096u /* the largest capacity of a queue */

/* Device side. */
struct plugbay_worker_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [worker] A thread of the host's own that serves nothing else meanwhile. The device's other callbacks,
     * and this one for other jobs, run at the same time. May call what is tagged [any]. */
    void (*work)(void* instance, uint64_t token);
    /* [io] & running or draining  work has returned. Jobs may end in another order than they began. */
    void (*done)(void* instance, uint64_t token);
};

/* Host side.
 *
 * While a device drains (its quiesce returned PLUGBAY_PENDING) jobs begin and end as usual. Once it is
 * quiesced none begins, the host has waited for those that had begun, and `done` is held back until it is
 * resumed. A job that does not end has the host give up on its device: a call of the host's that it makes later
 * never returns, and `destroy` is not called. Jobs are not state: a device that cannot lose one over a save waits for its `done` before it is
 * quiesced. */
struct plugbay_worker_host {
    uint32_t size;
    uint32_t reserved;
    /* [device] Makes a queue for up to `capacity` jobs (1 to PLUGBAY_WORKER_MOST_JOBS) that are not done. */
    plugbay_status (*create)(const struct plugbay_host* host, uint32_t capacity, plugbay_handle* queue);
    /* [any] Has work and then done called with `token`. Jobs begin in order, several at once as threads are
     * free. PLUGBAY_NO_MEMORY: the queue is full. */
    plugbay_status (*submit)(const struct plugbay_host* host, plugbay_handle queue, uint64_t token);
    /* [device] Forgets jobs that have not begun and waits for the others to end; nothing is called for them
     * any more. */
    plugbay_status (*destroy)(const struct plugbay_host* host, plugbay_handle queue);
};

#ifdef __cplusplus
}
#endif

#endif
