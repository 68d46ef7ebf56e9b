/* plugbay.hypercall/1: calls that the guest makes on purpose. Host and device each have a table under this
 * id.
 *
 * The guest writes 32 bits to a port, from eax (`out %eax, %dx`), with the call's number there. The device is
 * called inside the instruction with the guest's general registers and may change them; the guest finds what
 * it put there when the instruction has ended. Arguments are by convention in rbx, rcx, rsi, rdi, r8, r9,
 * r10, r11, in this order; the result is in rax. Outside 64-bit mode only the lower halves of the first four
 * exist.
 *
 *   CPUID leaf 0x40000100   eax: the highest of these leaves; ebx, ecx, edx: "PlugbayCalls"
 *   CPUID leaf 0x40000101   eax: PLUGBAY_HYPERCALL_VERSION; ebx: the port
 *
 * Guests find the header plugbay/guest/hypercall.h useful. Call 0 is the host's: its result is
 * PLUGBAY_HYPERCALL_VERSION. Whoever may write the port may call, so the guest's operating system decides
 * which of its programs may. */
#ifndef PLUGBAY_ABI_HYPERCALL_H
#define PLUGBAY_ABI_HYPERCALL_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_HYPERCALL "plugbay.hypercall/1"

#define PLUGBAY_HYPERCALL_PORT 0x5042u
#define PLUGBAY_HYPERCALL_VERSION 1u
#define PLUGBAY_HYPERCALL_FIRST 0x100u              /* numbers below are the host's */
#define PLUGBAY_HYPERCALL_UNKNOWN (~UINT64_C(0))    /* result: nobody has this number */
#define PLUGBAY_HYPERCALL_FAILED (~UINT64_C(0) - 1) /* result: the device could not (it threw) */

/* The caller's registers. In 32-bit modes the upper halves are undefined, and lost when written. */
struct plugbay_hypercall_registers {
    uint32_t size;
    uint32_t number;
    uint64_t rax; /* on return: the result; 0 unless set */
    uint64_t rbx, rcx, rdx, rsi, rdi, rbp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rsp, rip, rflags; /* for reading: changes are ignored */
};

/* Device side. */
struct plugbay_hypercall_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [vcpu] */
    void (*call)(void* instance, uint64_t token, struct plugbay_hypercall_registers* registers);
};

/* Host side. */
struct plugbay_hypercall_host {
    uint32_t size;
    uint32_t reserved;
    /* [device] Takes calls first .. first + count - 1. An overlap is refused with PLUGBAY_TAKEN and names
     * both owners. */
    plugbay_status (*claim)(const struct plugbay_host* host, uint32_t first, uint32_t count, uint64_t token,
                            plugbay_handle* handle);
    /* [device] */
    plugbay_status (*release)(const struct plugbay_host* host, plugbay_handle handle);
};

#ifdef __cplusplus
}
#endif

#endif
