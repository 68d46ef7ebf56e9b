/* plugbay.msr/1: model-specific registers that a device answers for. Host and device each have a table under
 * this id.
 *
 * A hook stands before what the processor and the hypervisor have at that index, if they have anything. It
 * concerns the guest's rdmsr and wrmsr on every virtual CPU; a device that keeps a value for each has to know
 * by other means which one asks. What is set before the guest runs, and the hypervisor's own use, do not pass
 * through it. */
#ifndef PLUGBAY_ABI_MSR_H
#define PLUGBAY_ABI_MSR_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_MSR "plugbay.msr/1"

#define PLUGBAY_MSR_READ 1u  /* rdmsr reaches `read` */
#define PLUGBAY_MSR_WRITE 2u /* wrmsr reaches `write` */
/* What reaches no callback gives the guest a general-protection fault. Without this flag it does what it
 * would do without the hook. */
#define PLUGBAY_MSR_DENY 4u

/* Device side. */
struct plugbay_msr_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [vcpu] Stores the value read. Anything but PLUGBAY_OK gives the guest a general-protection fault. */
    plugbay_status (*read)(void* instance, uint64_t token, uint32_t index, uint64_t* value);
    /* [vcpu] Anything but PLUGBAY_OK gives the guest a general-protection fault. */
    plugbay_status (*write)(void* instance, uint64_t token, uint32_t index, uint64_t value);
};

/* Host side. */
struct plugbay_msr_host {
    uint32_t size;
    uint32_t reserved;
    /* [device] Takes MSRs first .. first + count - 1, for the accesses that `flags` name (PLUGBAY_MSR_...).
     * An MSR has one owner, whatever the flags: an overlap is refused with PLUGBAY_TAKEN and names both. The
     * MSRs of the local APIC (0x800 to 0x8ff) cannot be hooked. PLUGBAY_UNSUPPORTED: the hypervisor cannot,
     * or the hooks of all devices lie in too many places for it. */
    plugbay_status (*hook)(const struct plugbay_host* host, uint32_t first, uint32_t count, uint32_t flags,
                           uint64_t token, plugbay_handle* hook);
    /* [device] */
    plugbay_status (*unhook)(const struct plugbay_host* host, plugbay_handle hook);
};

#ifdef __cplusplus
}
#endif

#endif
