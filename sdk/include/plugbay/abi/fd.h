/* plugbay.fd/1: being told when a file descriptor is ready. */
#ifndef PLUGBAY_ABI_FD_H
#define PLUGBAY_ABI_FD_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_FD "plugbay.fd/1"

#define PLUGBAY_FD_READABLE 1u
#define PLUGBAY_FD_WRITABLE 2u
#define PLUGBAY_FD_HANGUP 4u /* reported whether asked for or not, as are errors */

/* Device side. */
struct plugbay_fd_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [io] Level-triggered: called again for as long as the condition holds. */
    void (*ready)(void* instance, uint64_t token, int fd, uint32_t events);
};

/* Host side. The device keeps owning the descriptor and unwatches it before closing it. */
struct plugbay_fd_host {
    uint32_t size;
    uint32_t reserved;
    /* [device] Descriptors that poll cannot watch (regular files) are refused with PLUGBAY_UNSUPPORTED. */
    plugbay_status (*watch)(const struct plugbay_host* host, int fd, uint32_t events, uint64_t token,
                            plugbay_handle* watch);
    /* [device] `events` 0 mutes it. */
    plugbay_status (*change)(const struct plugbay_host* host, plugbay_handle watch, uint32_t events);
    /* [device] No call of `ready` starts after this returns. */
    plugbay_status (*unwatch)(const struct plugbay_host* host, plugbay_handle watch);
};

#ifdef __cplusplus
}
#endif

#endif
