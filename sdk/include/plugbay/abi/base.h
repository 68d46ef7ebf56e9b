/* Plugbay ABI v1: the words every other header uses.
 *
 * The ABI is C11 without dependencies. What holds everywhere, unless a comment says otherwise:
 *
 *  - Every struct that crosses the boundary starts with `size`, set by whoever made it to sizeof(struct) as
 *    that side knows it, and only grows at its end. A reader uses no member beyond `size`.
 *    Elements of arrays of values (marked "fixed") never grow; a new revision of the extension replaces them.
 *  - Strings are UTF-8, NUL-terminated and never NULL unless "may be NULL".
 *  - Buffers and strings handed to a function are valid during that call only; the callee copies what it keeps.
 *    Strings and tables reached from the plugin descriptor are constant and live as long as the plugin.
 *  - Each side frees what it made.
 *  - No exception and no longjmp crosses the boundary.
 *
 * Each function carries a tag that says who calls it:
 *
 *    [control]  the machine's control thread: life cycle, configuration
 *    [vcpu]     a virtual CPU's thread, inside a guest access; be short, never block
 *    [io]       the I/O loop that the device lives on: timers, file descriptors, doorbells, links
 *    [device]   any callback of this device, on whichever of the above threads it runs
 *    [any]      any thread at all
 *
 * and the device's state: `& creating` (inside create), `& running`, `& quiesced`; none means any state.
 * The host calls a device from one thread at a time, unless the type sets PLUGBAY_DEVICE_CONCURRENT. Devices
 * joined by a link count as one in this: a call through a link needs no lock.
 */
#ifndef PLUGBAY_ABI_BASE_H
#define PLUGBAY_ABI_BASE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A plugin loads when its major equals the host's and its minor is at most the host's. */
#define PLUGBAY_ABI_MAJOR 1
#define PLUGBAY_ABI_MINOR 0

/* The result of a call that can fail. Negative values are failures; the text set with set_error explains. */
typedef int32_t plugbay_status;
#define PLUGBAY_OK 0           /* done */
#define PLUGBAY_PENDING 1      /* begun; will be reported later, where the function says so */
#define PLUGBAY_FAILED (-1)    /* see the error text */
#define PLUGBAY_INVALID (-2)   /* an argument makes no sense */
#define PLUGBAY_TAKEN (-3)     /* somebody else owns it, or the name exists */
#define PLUGBAY_NOT_FOUND (-4) /* no such thing */
#define PLUGBAY_STALE (-5)     /* the handle's object is gone */
#define PLUGBAY_NO_MEMORY (-6) /* memory, descriptors or table entries are exhausted */
#define PLUGBAY_FORBIDDEN (-7) /* not in this state or from this thread */
#define PLUGBAY_UNSUPPORTED (-8)

/* A resource held from the host: opaque, checked against reuse, never a pointer. 0 is "none". A handle is
 * valid for the device that obtained it and dies with it; the host releases what a device leaves behind. */
typedef uint64_t plugbay_handle;
#define PLUGBAY_NO_HANDLE UINT64_C(0)

struct plugbay_host;

#ifdef __cplusplus
}
#endif

#endif
