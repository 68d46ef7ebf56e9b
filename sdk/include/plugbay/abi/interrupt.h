/* plugbay.interrupt/1: legacy interrupt lines (GSIs of the PICs and the I/O APIC). For PCI functions see
 * pci.h. */
#ifndef PLUGBAY_ABI_INTERRUPT_H
#define PLUGBAY_ABI_INTERRUPT_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_INTERRUPT "plugbay.interrupt/1"

#define PLUGBAY_INTERRUPT_SHARED                                                                             \
    1u /* others that also say so may claim it; the line is the OR of all levels */

/* Host side only. */
struct plugbay_interrupt_host {
    uint32_t size;
    uint32_t reserved;
    /* [device] Takes line `gsi` (0 to 23), low. */
    plugbay_status (*claim)(const struct plugbay_host* host, uint32_t gsi, uint32_t flags,
                            plugbay_handle* line);
    /* [any] Sets the level (0 or 1) that this device drives. Repeating a level costs next to nothing. An edge
     * is 1 followed by 0. */
    plugbay_status (*set)(const struct plugbay_host* host, plugbay_handle line, uint32_t level);
    /* [device] */
    plugbay_status (*release)(const struct plugbay_host* host, plugbay_handle line);
};

#ifdef __cplusplus
}
#endif

#endif
