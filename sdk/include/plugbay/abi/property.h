/* Properties: what a machine file may say about a device. Declared once in the device type; the host parses,
 * checks ranges, fills in defaults and generates schema and help from them. */
#ifndef PLUGBAY_ABI_PROPERTY_H
#define PLUGBAY_ABI_PROPERTY_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_PROPERTY_BOOLEAN 1u  /* number: 0 or 1 */
#define PLUGBAY_PROPERTY_UNSIGNED 2u /* number; written 1016 or "0x3f8" */
#define PLUGBAY_PROPERTY_SIGNED 3u   /* number: two's complement */
#define PLUGBAY_PROPERTY_SIZE 4u     /* number of bytes; written 4096, "64K", "512M", "2G", "1T" */
#define PLUGBAY_PROPERTY_STRING 5u   /* text */
#define PLUGBAY_PROPERTY_PATH 6u     /* text: a file name, made absolute relative to the machine file */
#define PLUGBAY_PROPERTY_CHOICE 7u   /* number: index into choices; written as the choice's name */

#define PLUGBAY_PROPERTY_REQUIRED 1u /* has no default */
#define PLUGBAY_PROPERTY_LIVE 2u     /* may be set while the machine runs */

struct plugbay_property {
    uint32_t size;
    uint32_t kind;  /* PLUGBAY_PROPERTY_BOOLEAN ... */
    uint32_t flags; /* PLUGBAY_PROPERTY_REQUIRED ... */
    uint32_t choice_count;
    const char* name; /* lower_case_with_underscores; not "id", "type" or "frontend" */
    const char* help; /* one sentence, with the unit */
    uint64_t default_number;
    const char* default_text; /* may be NULL: no text */
    uint64_t minimum;         /* of the number, both inclusive; as int64_t for PLUGBAY_PROPERTY_SIGNED; */
    uint64_t maximum;         /* of the length in bytes for texts */
    const char* const* choices;
};

/* One property's value, in the order of the declarations. Fixed. */
#define PLUGBAY_VALUE_GIVEN 1u /* written by the user, as opposed to the default */
struct plugbay_value {
    uint32_t flags;
    uint32_t text_length; /* bytes, without the NUL */
    uint64_t number;
    const char* text; /* never NULL for texts; valid during the call */
};

#ifdef __cplusplus
}
#endif

#endif
