/* A guest that never stops using its virtio disk: 16 requests at once, each writes 4 KiB or reads back what it wrote. Ends
 * the machine by debug-exit with the number of the check that failed. In its own section, so that it can be copied: all is
 * inlined. It runs in 64-bit mode with all memory below 4 GiB mapped one to one; the disk's BAR has to be there. */
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))
enum { depth = 16, queue_length = 64, block = 4096, chained = 1, written_by_device = 2 };

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};
struct used {
    uint16_t flags;
    uint16_t index;
    struct {
        uint32_t id;
        uint32_t length;
    } ring[queue_length];
};
struct available {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[queue_length];
};
struct header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};

/* Where things are in guest memory. */
#define DESCRIPTORS ((volatile struct descriptor*)0x200000)
#define AVAILABLE ((volatile struct available*)0x201000)
#define USED ((volatile struct used*)0x202000)
#define HEADERS ((volatile struct header*)0x210000)
#define STATUSES ((volatile uint8_t*)0x211000)
#define DATA(slot) ((volatile uint64_t*)(0x220000 + (uint64_t)(slot)*block))

INLINE void end(uint8_t failed) {
    for (;;)
        __asm__ volatile("outb %%al, $0xf4; hlt" : : "a"(failed));
}
INLINE uint32_t configuration(uint32_t address) {
    uint32_t value;
    __asm__ volatile("outl %0, %w1" : : "a"(address), "d"(0xcf8));
    __asm__ volatile("inl %w1, %0" : "=a"(value) : "d"(0xcfc));
    return value;
}
INLINE void set_configuration(uint32_t address, uint32_t value) {
    __asm__ volatile("outl %0, %w1" : : "a"(address), "d"(0xcf8));
    __asm__ volatile("outl %0, %w1" : : "a"(value), "d"(0xcfc));
}
INLINE void set8(uint64_t address, uint8_t value) {
    __asm__ volatile("movb %0, (%1)" : : "q"(value), "r"(address) : "memory");
}
INLINE void set16(uint64_t address, uint16_t value) {
    __asm__ volatile("movw %0, (%1)" : : "r"(value), "r"(address) : "memory");
}
INLINE void set32(uint64_t address, uint32_t value) {
    __asm__ volatile("movl %0, (%1)" : : "r"(value), "r"(address) : "memory");
}
INLINE void barrier(void) {
    __asm__ volatile("" : : : "memory");
}

/* The 64 bits of each half of a block, so that it tells one round and place from all others. */
INLINE uint64_t contents(uint32_t slot, uint64_t round) {
    return round << 8 | slot;
}
INLINE void submit(uint32_t slot, uint64_t turn) {
    const int write = turn % 2 == 0;
    HEADERS[slot].type = write ? 1 : 0;
    HEADERS[slot].sector = (uint64_t)slot * (block / 512);
    STATUSES[slot] = 0xff;
    DATA(slot)[0] = write ? contents(slot, turn) : 0;
    DATA(slot)[block / 8 - 1] = write ? ~contents(slot, turn) : 0;
    DESCRIPTORS[3 * slot + 1].flags = write ? chained : chained | written_by_device;
    AVAILABLE->ring[AVAILABLE->index % queue_length] = (uint16_t)(3 * slot);
    barrier();
    AVAILABLE->index = (uint16_t)(AVAILABLE->index + 1);
}

__attribute__((section("plugbay_disk_guest"), used, noinline, flatten, noreturn)) void disk_guest(void) {
    uint32_t function = 0x80000000;
    while (configuration(function) != 0x10421af4) { /* virtio block device */
        function += 0x800;
        if (function == 0x80010000) end(1);
    }
    set_configuration(function | 4, 6); /* memory and bus mastering */
    const uint64_t bar = configuration(function | 0x10) & ~0xfU;
    if (bar == 0 || configuration(function | 0x14) != 0) end(2);

    set8(bar + 0x14, 0); /* device_status */
    set8(bar + 0x14, 3);
    set32(bar + 0x08, 1); /* of the features only VIRTIO_F_VERSION_1 */
    set32(bar + 0x0c, 1);
    set8(bar + 0x14, 11);
    set16(bar + 0x16, 0); /* queue 0 */
    set16(bar + 0x18, queue_length);
    set32(bar + 0x20, (uint32_t)(uint64_t)DESCRIPTORS);
    set32(bar + 0x24, 0);
    set32(bar + 0x28, (uint32_t)(uint64_t)AVAILABLE);
    set32(bar + 0x2c, 0);
    set32(bar + 0x30, (uint32_t)(uint64_t)USED);
    set32(bar + 0x34, 0);
    set16(bar + 0x1c, 1);
    set8(bar + 0x14, 15);

    AVAILABLE->flags = 1; /* no interrupts */
    for (uint32_t slot = 0; slot < depth; ++slot) {
        volatile struct descriptor* const chain = DESCRIPTORS + 3 * slot;
        chain[0].address = (uint64_t)&HEADERS[slot];
        chain[0].length = sizeof(struct header);
        chain[0].flags = chained;
        chain[0].next = (uint16_t)(3 * slot + 1);
        chain[1].address = (uint64_t)DATA(slot);
        chain[1].length = block;
        chain[1].next = (uint16_t)(3 * slot + 2);
        chain[2].address = (uint64_t)&STATUSES[slot];
        chain[2].length = 1;
        chain[2].flags = written_by_device;
    }
    volatile uint64_t* const turns = (volatile uint64_t*)0x212000;
    for (uint32_t slot = 0; slot < depth; ++slot)
        submit(slot, 0);
    set16(bar + 0x3000, 0);
    for (uint16_t seen = 0;;) {
        if (USED->index == seen) continue;
        barrier();
        const uint32_t slot = USED->ring[seen % queue_length].id / 3;
        ++seen;
        if (slot >= depth) end(3);
        if (STATUSES[slot] != 0) end(4);
        const uint64_t turn = turns[slot];
        const uint64_t wanted = contents(slot, turn & ~1ULL);
        if (turn % 2 == 1 && (DATA(slot)[0] != wanted || DATA(slot)[block / 8 - 1] != ~wanted)) end(5);
        turns[slot] = turn + 1;
        submit(slot, turn + 1);
        set16(bar + 0x3000, 0);
    }
}
