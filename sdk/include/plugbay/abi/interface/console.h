/* console/1: a screen of cells or pixels, and keyboard and pointer. Frontends: display adapters (screen),
 * keyboard controllers (input), or both in one. Backends: windows, VNC, terminals. See link.h for how the
 * tables are reached.
 *
 * The backend sets the pace: it calls `refresh` when it wants to show something, and the frontend answers
 * with what has changed since the last time, ended by one `shown`. So nothing is sent that nobody looks at, a
 * slow viewer holds nobody up, and a guest's access to its screen only marks what is dirty. */
#ifndef PLUGBAY_ABI_INTERFACE_CONSOLE_H
#define PLUGBAY_ABI_INTERFACE_CONSOLE_H

#include "../base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_CONSOLE "console/1"

/* Bounds. */
#define PLUGBAY_CONSOLE_MOST_COLUMNS 512u /* of cells */
#define PLUGBAY_CONSOLE_MOST_ROWS 256u
#define PLUGBAY_CONSOLE_MOST_PIXELS 16384u /* in each direction; and at most 256 MiB in all */
#define PLUGBAY_CONSOLE_MOST_AREAS 64u     /* in one call */
#define PLUGBAY_CONSOLE_MOST_EVENTS 64u

#define PLUGBAY_CONSOLE_OFF 0u /* no signal: the screen is black */
#define PLUGBAY_CONSOLE_CELLS 1u
#define PLUGBAY_CONSOLE_PIXELS 2u

/* Little-endian. X is not shown. */
#define PLUGBAY_PIXEL_XRGB8888 1u /* 4 bytes; blue is the first */
#define PLUGBAY_PIXEL_XBGR8888 2u /* 4 bytes; red is the first */
#define PLUGBAY_PIXEL_RGB565 3u   /* 2 bytes; red is in the high bits */

/* Where pixels are. What is shared may change while it is read, and its owner is not trusted. */
#define PLUGBAY_PIXELS_COPIED 1u /* in each show_pixels */
#define PLUGBAY_PIXELS_GUEST 2u  /* in guest memory from `place` (memory.h) */
#define PLUGBAY_PIXELS_SHARED 3u /* in the memfd `fd` from `place`; sealed against shrinking */

struct plugbay_console_mode {
    uint32_t size;
    uint32_t kind;   /* PLUGBAY_CONSOLE_OFF, ... */
    uint32_t width;  /* columns or pixels */
    uint32_t height; /* rows or pixels */
    /* Of pixels: */
    uint32_t format;   /* PLUGBAY_PIXEL_... */
    uint32_t location; /* PLUGBAY_PIXELS_... */
    uint64_t place;    /* bytes */
    uint32_t stride;   /* bytes from a line to the next; at least a line's */
    int32_t fd;        /* valid during the call: map or duplicate it. -1: none */
};

#define PLUGBAY_CELL_BLINK 1u
#define PLUGBAY_CELL_UNDERLINE 2u
#define PLUGBAY_CELL_BOLD 4u
/* Fixed. */
struct plugbay_console_cell {
    uint32_t character;  /* Unicode; 0: nothing */
    uint32_t foreground; /* 0x00rrggbb */
    uint32_t background;
    uint32_t attributes; /* PLUGBAY_CELL_... */
};

/* A rectangle inside the mode's; counted from the top left. Everything is valid during the call. Fixed. */
struct plugbay_console_area {
    uint32_t x;
    uint32_t y;
    uint32_t width;
    uint32_t height;
    const struct plugbay_console_cell* cells; /* show_cells: width * height of them, line by line */
    const uint8_t* pixels; /* show_pixels, if COPIED: `stride` bytes from a line to the next */
    uint32_t stride;
    uint32_t reserved;
};

/* The text cursor: lines first_line to last_line of its cell, of which there are cell_lines. */
struct plugbay_console_cursor {
    uint32_t size;
    uint32_t visible; /* 0 or 1 */
    uint32_t x;
    uint32_t y;
    uint32_t first_line;
    uint32_t last_line;
    uint32_t cell_lines;
};

#define PLUGBAY_INPUT_KEY 1u /* code: Linux's KEY_..., value: 1 pressed, 0 released (repeats are 1 again) */
#define PLUGBAY_INPUT_BUTTON 2u /* code: Linux's BTN_..., value: 1 or 0 */
#define PLUGBAY_INPUT_MOVE 3u   /* code: 0 x, 1 y, 2 wheel (up is positive); value: by how much */
#define PLUGBAY_INPUT_PLACE 4u  /* code: 0 x, 1 y; value: 0 (left, top) to 32767 (right, bottom) */
#define PLUGBAY_INPUT_END 5u    /* the events before it happened together */
/* Fixed. */
struct plugbay_input_event {
    uint32_t kind;
    uint32_t code;
    int32_t value;
};

#define PLUGBAY_CONSOLE_HAS_SCREEN 1u
#define PLUGBAY_CONSOLE_TAKES_KEYS 2u
#define PLUGBAY_CONSOLE_TAKES_MOVES 4u
#define PLUGBAY_CONSOLE_TAKES_PLACES 8u
struct plugbay_console_facts {
    uint32_t size;
    uint32_t flags;
};

/* What a backend implements ("console/1.backend"). The screen is off until the first set_mode. */
struct plugbay_console_backend {
    uint32_t size;
    uint32_t reserved;
    /* [device] & refreshing  All of it is to be shown anew. PLUGBAY_UNSUPPORTED, PLUGBAY_INVALID: nothing is
     * shown until the next one. */
    plugbay_status (*set_mode)(void* instance, uint64_t port, const struct plugbay_console_mode* mode);
    /* [device] & refreshing  What changed. The backend checks areas against the mode, and ignores others. */
    void (*show_cells)(void* instance, uint64_t port, const struct plugbay_console_area* areas,
                       uint32_t count);
    void (*show_pixels)(void* instance, uint64_t port, const struct plugbay_console_area* areas,
                        uint32_t count);
    void (*set_cursor)(void* instance, uint64_t port, const struct plugbay_console_cursor* cursor);
    /* [device] & refreshing  Ends it: what was sent makes one picture. */
    void (*shown)(void* instance, uint64_t port);
    /* [device] After an input that took fewer than offered: the frontend has room again. */
    void (*input_ready)(void* instance, uint64_t port);
};

/* What a frontend implements ("console/1.frontend"). */
struct plugbay_console_frontend {
    uint32_t size;
    uint32_t reserved;
    /* [device] Fills in what fits into facts->size, which the caller sets. */
    void (*facts)(void* instance, uint64_t port, struct plugbay_console_facts* facts);
    /* [device] Asks for what changed, or with `all` 1 for mode, picture and cursor whole. The first has to be
     * one of those. One at a time: the next follows `shown`, which may come before this returns. */
    void (*refresh)(void* instance, uint64_t port, uint32_t all);
    /* [device] Returns how many were taken, from the first on. */
    uint32_t (*input)(void* instance, uint64_t port, const struct plugbay_input_event* events,
                      uint32_t count);
};

#ifdef __cplusplus
}
#endif

#endif
