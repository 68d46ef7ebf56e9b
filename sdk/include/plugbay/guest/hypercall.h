/* For guests: calling devices of a Plugbay machine. Freestanding C99 or C++, GCC or Clang, 32 and 64 bits;
 * nothing but <stdint.h> is needed. What the calls are is the devices' affair; how they are made is
 * described in plugbay/abi/hypercall.h.
 *
 *     uint16_t port = plugbay_hypercall_port();
 *     if (port != 0) result = plugbay_hypercall(port, 0x100, argument, 0, 0, 0);
 *
 * The instruction needs the right to write the port: in a kernel it always has it, in a program the kernel
 * grants it (Linux: ioperm). Outside a Plugbay machine the port may be anything: look for it first. */
#ifndef PLUGBAY_GUEST_HYPERCALL_H
#define PLUGBAY_GUEST_HYPERCALL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The result of a call whose number no device has; in 32-bit code its lower half. */
#define PLUGBAY_GUEST_CALL_UNKNOWN UINTPTR_MAX
/* The result of a call that the device could not carry out. */
#define PLUGBAY_GUEST_CALL_FAILED (UINTPTR_MAX - 1)

static inline void plugbay_guest_cpuid(uint32_t leaf, uint32_t registers[4]) {
    __asm__ volatile("cpuid"
                     : "=a"(registers[0]), "=b"(registers[1]), "=c"(registers[2]), "=d"(registers[3])
                     : "a"(leaf), "c"(0));
}

/* The port to call through, or 0: this is no machine of Plugbay. */
static inline uint16_t plugbay_hypercall_port(void) {
    uint32_t r[4];
    plugbay_guest_cpuid(1, r);
    if ((r[2] & 0x80000000u) == 0) return 0; /* no hypervisor: the leaves below mean nothing */
    plugbay_guest_cpuid(0x40000100u, r);
    /* "Plug" "bayC" "alls" */
    if (r[0] < 0x40000101u || r[1] != 0x67756c50u || r[2] != 0x43796162u || r[3] != 0x736c6c61u) return 0;
    plugbay_guest_cpuid(0x40000101u, r);
    return r[0] >= 1 ? r[1] & 0xffffu : 0;
}

/* Makes call `number` with four arguments and returns its result. Devices reach memory by its physical
   address. */
static inline uintptr_t plugbay_hypercall(uint16_t port, uint32_t number, uintptr_t first, uintptr_t second,
                                          uintptr_t third, uintptr_t fourth) {
    uintptr_t result = number;
    __asm__ volatile("outl %%eax, %%dx"
                     : "+a"(result), "+b"(first), "+c"(second), "+S"(third), "+D"(fourth)
                     : "d"(port)
                     : "memory");
    return result;
}

#ifdef __cplusplus
}
#endif

#endif
