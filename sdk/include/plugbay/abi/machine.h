/* plugbay.machine/1: what a device may know of its machine and ask of it. Host side only. */
#ifndef PLUGBAY_ABI_MACHINE_H
#define PLUGBAY_ABI_MACHINE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_MACHINE "plugbay.machine/1"

#define PLUGBAY_REQUEST_POWER_OFF 1u
#define PLUGBAY_REQUEST_RESET 2u
#define PLUGBAY_REQUEST_EXIT                                                                                 \
    3u /* end the monitor with exit status `argument` (0 to 255): for test guests                            \
        */

struct plugbay_machine_facts {
    uint32_t size;
    uint32_t cpu_count;
    uint64_t memory_size;      /* bytes of RAM in all */
    uint64_t memory_below_4gb; /* bytes of RAM from address 0 */
};

struct plugbay_machine_host {
    uint32_t size;
    uint32_t reserved;
    /* [any] Fills in what fits into facts->size, which the caller sets. */
    void (*facts)(const struct plugbay_host* host, struct plugbay_machine_facts* facts);
    /* [any] Takes effect after the current callback; the first request wins. */
    plugbay_status (*request)(const struct plugbay_host* host, uint32_t request, uint32_t argument);
};

#ifdef __cplusplus
}
#endif

#endif
