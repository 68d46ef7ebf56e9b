/* How interfaces between devices name guest memory: by address and length, never by pointer. */
#ifndef PLUGBAY_ABI_SEGMENT_H
#define PLUGBAY_ABI_SEGMENT_H

#include <stdint.h>

/* Bytes of guest memory; nothing is checked yet. Fixed. */
struct plugbay_segment {
    uint64_t address;
    uint64_t length;
};

#endif
