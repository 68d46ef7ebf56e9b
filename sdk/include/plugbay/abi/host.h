/* The host table: all that a device can do comes through it. The host hands one to each device; the pointer
 * itself names the device in every call, is valid from create to the end of destroy, and is the first
 * argument of every host function. */
#ifndef PLUGBAY_ABI_HOST_H
#define PLUGBAY_ABI_HOST_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_LOG_TRACE 0u
#define PLUGBAY_LOG_DEBUG 1u
#define PLUGBAY_LOG_INFO 2u
#define PLUGBAY_LOG_WARNING 3u
#define PLUGBAY_LOG_ERROR 4u

struct plugbay_host {
    uint32_t size;
    uint16_t abi_major;
    uint16_t abi_minor;
    const char* name;      /* "plugbay", "plugbay-testkit", ...: for messages, never for decisions */
    const char* version;   /* of the host program */
    const char* device_id; /* of the device this table was made for */

    /* [any] The host's table for an extension such as "plugbay.timer/1", or NULL when it has none. The result
     * is the same for the life of the device. */
    const void* (*extension)(const struct plugbay_host* host, const char* id);

    /* [any] One line for the log, without a newline; shown with the device's id. Rate-limited by the host,
     * but still never call it for each guest access. */
    void (*log)(const struct plugbay_host* host, uint32_t level, const char* message);

    /* [device] Explains the failure that the current callback is about to return: what was wanted, what was
     * found, what to do. The last text before the return counts. */
    void (*set_error)(const struct plugbay_host* host, const char* message);

    /* [io] & quiesced  Ends a quiesce that returned PLUGBAY_PENDING. */
    void (*quiesced)(const struct plugbay_host* host);
};

#ifdef __cplusplus
}
#endif

#endif
