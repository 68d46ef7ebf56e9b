/* plugbay.statistics/1: numbers about a device's work, for whoever watches the machine: requests served, bytes
 * moved, how deep its queues are. They are no state: they begin at 0 with the instance and are not saved. */
#ifndef PLUGBAY_ABI_STATISTICS_H
#define PLUGBAY_ABI_STATISTICS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_STATISTICS "plugbay.statistics/1"

/* What a number is. */
#define PLUGBAY_STATISTIC_COUNT 1u /* only grows while the instance lives: readers compute rates */
#define PLUGBAY_STATISTIC_LEVEL 2u /* what it is now, or the most that it can be: rises and falls */

#define PLUGBAY_STATISTICS_MOST 64u         /* numbers of one device */
#define PLUGBAY_STATISTICS_LONGEST_NAME 48u /* bytes */

struct plugbay_statistics_writer {
    uint32_t size;
    uint32_t reserved;
    void* context;
    /* During read only. `name` is unique in the device, printable UTF-8, and says what is counted and, unless
     * they are things, in which unit: "requests", "bytes read", "in flight". `kind` is PLUGBAY_STATISTIC_...
     * PLUGBAY_INVALID, PLUGBAY_TAKEN (the name) or PLUGBAY_NO_MEMORY (too many): this number is left out. */
    plugbay_status (*put)(const struct plugbay_statistics_writer* writer, const char* name, uint32_t kind,
                          uint64_t value);
};

/* Device side only. */
struct plugbay_statistics_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [control] & created, running or quiesced  Puts all numbers, in the same order each time. Soon done, and
     * changes nothing that anybody could notice. A device with PLUGBAY_DEVICE_CONCURRENT may be inside a guest
     * access meanwhile. */
    void (*read)(void* instance, const struct plugbay_statistics_writer* writer);
};

#ifdef __cplusplus
}
#endif

#endif
