/* plugbay.handover/1: file descriptors that a device leaves with the host and that its next build finds again.
 *
 * When a device's code is replaced, its successor is created while the build before it still serves the guest, then
 * takes over what that one saved as state. What is no state (a connection, a terminal, an open file with its place and
 * locks) is handed over as descriptors under names. They belong to the device, not to one of its builds: when a
 * machine starts there are none, and when the device is removed the host closes them.
 *
 * A build is in its device's place from its start, or as successor from the moment at which the switch is done: after
 * load, before resume. Until then what it puts and removes is seen by itself only, and forgotten when it is destroyed
 * without ever having had the place.
 */
#ifndef PLUGBAY_ABI_HANDOVER_H
#define PLUGBAY_ABI_HANDOVER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_HANDOVER "plugbay.handover/1"

#define PLUGBAY_HANDOVER_MOST 64u         /* descriptors of a device */
#define PLUGBAY_HANDOVER_LONGEST_NAME 64u /* bytes, without the terminating NUL; at least one */

/* This build is in its device's place. One that is not leaves alone, when it is destroyed, what is outside of it and
 * may be the other build's: a file's name, a terminal's settings, a connection. */
#define PLUGBAY_HANDOVER_IN_PLACE 1u
/* What is saved and held still now goes on in another build on this host, which finds the descriptors: they need not be
 * in the state, and what is outside need not be put in order for a pause. The switch may still fail. */
#define PLUGBAY_HANDOVER_EXPECTED 2u
/* With EXPECTED: that build is in another process, to which the machine moves. It finds the descriptors, but has a
 * standard input and output and a terminal of its own. */
#define PLUGBAY_HANDOVER_ELSEWHERE 4u

/* Host side. Names are printable ASCII, 0x20 to 0x7e. None of these is for the guest's accesses: they make system
 * calls. Do not call them from read, write and what else a vCPU waits for. */
struct plugbay_handover_host {
    uint32_t size;
    uint32_t reserved;
    /* [any] Leaves a duplicate of `fd`, which stays the caller's, in the place of what has that name. PLUGBAY_INVALID:
     * the name, or no open descriptor. PLUGBAY_NO_MEMORY: PLUGBAY_HANDOVER_MOST names are there, or the process has no
     * descriptors left; what had the name is still there. */
    plugbay_status (*put)(const struct plugbay_host* host, const char* name, int fd);
    /* [any] A new duplicate, with FD_CLOEXEC, which the caller closes; the host keeps its own. PLUGBAY_NOT_FOUND, which
     * sets no error text: nothing has that name. */
    plugbay_status (*take)(const struct plugbay_host* host, const char* name, int* fd);
    /* [any] The host's duplicate is closed. PLUGBAY_NOT_FOUND as above. */
    plugbay_status (*remove)(const struct plugbay_host* host, const char* name);
    /* [any] PLUGBAY_HANDOVER_IN_PLACE, _EXPECTED, _ELSEWHERE, some of them or 0. */
    uint32_t (*standing)(const struct plugbay_host* host);
};

#ifdef __cplusplus
}
#endif

#endif
