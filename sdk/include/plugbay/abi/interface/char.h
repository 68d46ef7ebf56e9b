/* char/1: a stream of bytes both ways with back-pressure. Frontends: serial ports, debug consoles. Backends:
 * terminals, files, sockets. See link.h for how the tables are reached. */
#ifndef PLUGBAY_ABI_INTERFACE_CHAR_H
#define PLUGBAY_ABI_INTERFACE_CHAR_H

#include "../base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_CHAR "char/1"

#define PLUGBAY_CHAR_OPENED 1u /* somebody is at the far end */
#define PLUGBAY_CHAR_CLOSED 2u
#define PLUGBAY_CHAR_BREAK 3u /* a break condition was received */

/* What a backend implements ("char/1.backend"). */
struct plugbay_char_backend {
    uint32_t size;
    uint32_t reserved;
    /* [device] Takes bytes from the guest; returns how many were taken. When fewer than `length`, the backend
     * calls write_ready once there is room. */
    uint32_t (*write)(void* instance, uint64_t port, const uint8_t* bytes, uint32_t length);
    /* [device] After a receive that took fewer than offered: the frontend has room again. */
    void (*receive_ready)(void* instance, uint64_t port);
};

/* What a frontend implements ("char/1.frontend"). */
struct plugbay_char_frontend {
    uint32_t size;
    uint32_t reserved;
    /* [device] Bytes for the guest; returns how many were taken. When fewer than `length`, the frontend calls
     * receive_ready once there is room. */
    uint32_t (*receive)(void* instance, uint64_t port, const uint8_t* bytes, uint32_t length);
    /* [device] After a write that took fewer than offered: the backend has room again. */
    void (*write_ready)(void* instance, uint64_t port);
    /* [device] PLUGBAY_CHAR_OPENED, ... */
    void (*event)(void* instance, uint64_t port, uint32_t event);
};

#ifdef __cplusplus
}
#endif

#endif
