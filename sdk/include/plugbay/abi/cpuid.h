/* plugbay.cpuid/1: what CPUID tells the guest. Host side only; only while creating, and only before the
 * machine has run for the first time: a processor does not change its mind. */
#ifndef PLUGBAY_ABI_CPUID_H
#define PLUGBAY_ABI_CPUID_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_CPUID "plugbay.cpuid/1"

/* Registers, as indices of `mask` and `value`. */
#define PLUGBAY_CPUID_EAX 0u
#define PLUGBAY_CPUID_EBX 1u
#define PLUGBAY_CPUID_ECX 2u
#define PLUGBAY_CPUID_EDX 3u

/* The leaf has subleaves and this is `subleaf`. Without it `subleaf` is 0 and the leaf answers alike whatever
 * the guest has in ecx. */
#define PLUGBAY_CPUID_SUBLEAF 1u

struct plugbay_cpuid_bits {
    uint32_t size;
    uint32_t flags; /* PLUGBAY_CPUID_SUBLEAF */
    uint32_t leaf;
    uint32_t subleaf;
    uint32_t mask[4];  /* the bits to set; all ones in all registers: the whole leaf */
    uint32_t value[4]; /* what they become, on every virtual CPU; 0 outside the mask */
};

struct plugbay_cpuid_host {
    uint32_t size;
    uint32_t reserved;
    /* [control] & creating  Sets bits of a leaf; others stay as the processor and the hypervisor have them,
     * or 0 in a leaf that they do not have. The highest leaf that CPUID admits to (leaf 0, leaf 0x80000000)
     * is raised as needed. A bit has one owner: an overlap is refused with PLUGBAY_TAKEN and names both. What
     * tells virtual CPUs apart (leaf 1 ebx 31:16, leaves 0xb, 0x1f, 0x8000001e) and the leaves of
     * hypercalls (hypercall.h) are the machine's. Refused with PLUGBAY_FORBIDDEN once the machine has run.
     * Whether the processor can do what a bit promises is the device's affair. */
    plugbay_status (*set)(const struct plugbay_host* host, const struct plugbay_cpuid_bits* bits,
                          plugbay_handle* handle);
    /* [control] & creating  Takes it back, as if it had never been set. A device that ends after the machine
     * has run leaves CPUID as it is. */
    plugbay_status (*clear)(const struct plugbay_host* host, plugbay_handle handle);
};

#ifdef __cplusplus
}
#endif

#endif
