/* plugbay.link/1: how two devices reach each other.
 *
 * A link joins a frontend's port and a backend's port of the same interface. Each end implements the
 * interface's table for its role and returns it from `extension` under "<interface>.frontend" or
 * "<interface>.backend". The host hands each end a struct plugbay_link with which it calls the other:
 *
 *     const struct plugbay_char_backend* backend = link->table;
 *     if (backend != NULL) backend->write(link->instance, link->port, bytes, count);
 *
 * Both ends run on one I/O loop and count as one device for serialisation, so calls need no lock and may
 * nest: a backend may answer from inside the call that asked. */
#ifndef PLUGBAY_ABI_LINK_H
#define PLUGBAY_ABI_LINK_H

#include "property.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_LINK "plugbay.link/1"

/* Owned by the host and changed only by it, only while neither end is in a callback: when a peer's build is
 * swapped, moves into a process of its own, or leaves. Never copy its members across callbacks. */
struct plugbay_link {
    uint32_t size;
    uint32_t reserved;
    const void* table; /* the peer's table for its role; NULL once disconnected */
    void* instance;    /* first argument of every function in it */
    uint64_t port;     /* second argument: the peer's port number */
};

/* Device side. */
struct plugbay_link_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [control] & quiesced  `port` of this device has a peer, reached through `link` until disconnected.
     * `options` are the port's options (frontends; a backend's are its own properties) in declared order. A
     * failure with an error text refuses the link. */
    plugbay_status (*connected)(void* instance, uint64_t port, const struct plugbay_link* link,
                                const struct plugbay_value* options, uint32_t option_count);
    /* [control] & quiesced  The peer is gone; `link` dies when this returns. */
    void (*disconnected)(void* instance, uint64_t port);
};

#ifdef __cplusplus
}
#endif

#endif
