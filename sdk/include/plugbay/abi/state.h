/* plugbay.state/1: a device's guest-visible state as named fields, for checkpoint, hot swap and moving a
 * device between processes. Configuration and host resources are not state.
 *
 * The host owns the encoding (docs/state-format.md); a device only puts and gets fields. Numbers are passed
 * in the machine's own byte order and stored little-endian. */
#ifndef PLUGBAY_ABI_STATE_H
#define PLUGBAY_ABI_STATE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_STATE "plugbay.state/1"

/* A field holds one or more elements of one kind. */
#define PLUGBAY_FIELD_BOOLEAN 1u /* uint8_t, 0 or 1 */
#define PLUGBAY_FIELD_U8 2u      /* also raw bytes */
#define PLUGBAY_FIELD_U16 3u
#define PLUGBAY_FIELD_U32 4u
#define PLUGBAY_FIELD_U64 5u
#define PLUGBAY_FIELD_I64 6u
#define PLUGBAY_FIELD_TEXT 7u /* char, without a NUL */

#define PLUGBAY_FIELD_OPTIONAL 1u /* a reader that does not know it may skip it */

struct plugbay_state_writer {
    uint32_t size;
    uint32_t version; /* the version to be written: the type's state_version */
    void* context;
    /* `name` is unique in the device: "interrupt_enable", "queue.0.ready". `count` elements at `elements`. */
    plugbay_status (*put)(const struct plugbay_state_writer* writer, const char* name, uint32_t kind,
                          const void* elements, uint64_t count, uint32_t flags);
};

struct plugbay_state_reader {
    uint32_t size;
    uint32_t version; /* the version that was written */
    void* context;
    /* The number of elements in the field, 0 when it is not there. */
    uint64_t (*count)(const struct plugbay_state_reader* reader, const char* name);
    /* Copies exactly `count` elements, or fails: PLUGBAY_NOT_FOUND, PLUGBAY_INVALID (other kind or count).
     * With NULL and 0 it tells a field that is not there, PLUGBAY_NOT_FOUND, from an empty one. */
    plugbay_status (*get)(const struct plugbay_state_reader* reader, const char* name, uint32_t kind,
                          void* elements, uint64_t count);
};

/* Device side only. */
struct plugbay_state_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [control] & quiesced */
    plugbay_status (*save)(void* instance, const struct plugbay_state_writer* writer);
    /* [control] & quiesced  Everything is read and checked before anything changes: on failure the device is
     * as before. The host refuses fields that nobody asked for, unless they are optional. */
    plugbay_status (*load)(void* instance, const struct plugbay_state_reader* reader);
};

#ifdef __cplusplus
}
#endif

#endif
