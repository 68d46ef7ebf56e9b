/* plugbay.registers/1: what the registers of a device type are called, and what their bits mean. Constant data, one of the
 * type's declarations (see plugin.h): read from the plugin's file, for whoever prints an access or a register map. The host
 * dispatches nothing by it; an access goes to the device's callbacks (access.h), whatever is declared here. */
#ifndef PLUGBAY_ABI_REGISTERS_H
#define PLUGBAY_ABI_REGISTERS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_REGISTERS "plugbay.registers/1"

/* What the guest can do with a register, or with a field of it. */
#define PLUGBAY_REGISTER_READ_WRITE 1u
#define PLUGBAY_REGISTER_READ_ONLY 2u  /* writes are ignored */
#define PLUGBAY_REGISTER_WRITE_ONLY 3u /* reads tell nothing about it */
#define PLUGBAY_REGISTER_WRITE_1_TO_CLEAR 4u
#define PLUGBAY_REGISTER_READ_TO_CLEAR 5u /* a read gives the bits, and clears them */
#define PLUGBAY_REGISTER_CONSTANT 6u      /* reads the reset value, for ever */

#define PLUGBAY_REGISTERS_MOST_BLOCKS 64u
#define PLUGBAY_REGISTERS_MOST 1024u       /* registers of a block */
#define PLUGBAY_REGISTERS_MOST_FIELDS 64u  /* fields of a register */
#define PLUGBAY_REGISTERS_MOST_VALUES 256u /* named values of a field */
#define PLUGBAY_REGISTERS_LONGEST_NAME 64u /* bytes; also of `when` and `state` */

/* A name for one value of a field. Fixed. */
struct plugbay_register_value {
    uint64_t value;
    const char* name; /* "5 bits", "odd" */
};

/* Bits of a register. Fixed. */
struct plugbay_register_field {
    uint32_t first_bit; /* 0 is the lowest */
    uint32_t bit_count; /* fields do not overlap, and end within the register */
    uint32_t access;    /* PLUGBAY_REGISTER_... */
    uint32_t value_count;
    const char* name; /* as data sheets write it: "DLAB"; unique in the register */
    const char* help; /* may be "" */
    const struct plugbay_register_value* values;
};

#define PLUGBAY_REGISTER_COMPUTED 1u   /* what is read may be something else than what was last written */
#define PLUGBAY_REGISTER_READ_ACTS 2u  /* to read it changes something */
#define PLUGBAY_REGISTER_WRITE_ACTS 4u /* to write it does more than to store the value */

/* A register, or an array of equal ones. Several may share a place, if one is read and the other is written there, or if
 * `when` tells them apart. Fixed. */
struct plugbay_register {
    uint64_t offset; /* of the first, in the block */
    uint64_t stride; /* from one to the next, at least `width`; of a single one: `width` */
    uint32_t
        width; /* bytes: 1, 2, 4 or 8; accesses of other widths reach parts of it, or several registers */
    uint32_t count;    /* 1: no array; the others are called "DATA[0]", "DATA[1]", ... */
    uint32_t access;   /* PLUGBAY_REGISTER_... */
    uint32_t flags;    /* PLUGBAY_REGISTER_COMPUTED ... */
    uint64_t reset;    /* what it holds after reset, as far as that is known beforehand */
    uint64_t writable; /* the bits that a write can change, by setting or by clearing them */
    const char* name;  /* as data sheets write it: "LCR"; unique in the block */
    const char* help;  /* may be "" */
    const char* when;  /* may be NULL; what must hold for it to be at its place: "LCR.DLAB=1" */
    const char* state; /* may be NULL; the field of the device's state that keeps it */
    uint32_t field_count;
    uint32_t reserved; /* 0 */
    const struct plugbay_register_field* fields;
};

#define PLUGBAY_REGISTER_BLOCK_INDIRECT                                                                      \
    1u /* not mapped: reached through another block's index and data registers */

/* What one token of the device's access callbacks leads to. */
struct plugbay_register_block {
    uint32_t size;
    uint32_t flags;   /* PLUGBAY_REGISTER_BLOCK_INDIRECT */
    uint64_t token;   /* as in map_ports, map_memory or the BAR; means nothing for an indirect block */
    uint64_t length;  /* bytes; registers end within */
    const char* name; /* unique in the type; may be "" where it is the only one */
    uint32_t register_count;
    uint32_t reserved; /* 0 */
    const struct plugbay_register* registers;
};

struct plugbay_registers {
    uint32_t size;
    uint32_t block_count;
    const struct plugbay_register_block* const* blocks;
};

#ifdef __cplusplus
}
#endif

#endif
