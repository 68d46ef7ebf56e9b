/* plugbay.pci/1: PCI functions, for devices that sit on a PCI bus.
 *
 * The host owns the function's configuration space, decodes its BARs and runs MSI-X: vectors reach the guest
 * without the device on the way, and survive its replacement. The device describes the function once. */
#ifndef PLUGBAY_ABI_PCI_H
#define PLUGBAY_ABI_PCI_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_PCI "plugbay.pci/1"

#define PLUGBAY_BAR_NONE 0u
#define PLUGBAY_BAR_PORTS 1u
#define PLUGBAY_BAR_MEMORY32 2u
#define PLUGBAY_BAR_MEMORY64 3u /* takes the next BAR too, which stays PLUGBAY_BAR_NONE */
#define PLUGBAY_BAR_MSIX 4u /* a memory BAR that the host sizes and serves: MSI-X table and pending bits */
#define PLUGBAY_BAR_PREFETCHABLE 16u /* flag, added to a memory kind */

/* Fixed. */
struct plugbay_pci_bar {
    uint32_t kind;
    uint32_t reserved;
    uint64_t length; /* a power of two, at least 16 (memory) or 4 (ports); 0 for NONE and MSIX */
    uint64_t token;  /* of the accesses (access.h) that the guest makes inside it */
};

/* A capability after its two-byte header (id, next). Fixed. */
struct plugbay_pci_capability {
    uint8_t id;
    uint8_t length;       /* of `body`, in bytes */
    uint16_t hook_offset; /* within body: guest accesses to hook_length bytes from here go to the callbacks */
    uint16_t hook_length; /* 0: none */
    uint16_t reserved;
    const uint8_t* body;
    const uint8_t* writable; /* mask of bits the guest may change, `length` bytes; NULL: none */
};

struct plugbay_pci_function {
    uint32_t size;
    uint32_t class_code; /* 24 bits: class, subclass, programming interface */
    const char* bus;     /* id of the bus's device; NULL: the machine's first */
    int32_t slot;        /* 0 to 31; -1: the next free one */
    uint16_t vendor_id;
    uint16_t device_id;
    uint16_t subsystem_vendor_id;
    uint16_t subsystem_id;
    uint8_t revision;
    uint8_t interrupt_pin; /* 0: none, 1: INTA */
    uint16_t msix_vectors; /* 0 to 2048; needs one BAR of kind PLUGBAY_BAR_MSIX */
    uint32_t capability_count;
    const struct plugbay_pci_capability* capabilities;
    struct plugbay_pci_bar bars[6];
};

/* Device side. */
struct plugbay_pci_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [vcpu] Accesses to hooked bytes of capability number `capability`; `offset` counts from the hook's
     * start. */
    uint32_t (*config_read)(void* instance, uint32_t capability, uint32_t offset, uint32_t width);
    void (*config_write)(void* instance, uint32_t capability, uint32_t offset, uint32_t width,
                         uint32_t value);
};

/* Host side. */
struct plugbay_pci_host {
    uint32_t size;
    uint32_t reserved;
    /* [control] & creating  One function a device. */
    plugbay_status (*add_function)(const struct plugbay_host* host,
                                   const struct plugbay_pci_function* function, plugbay_handle* handle);
    /* [device] The region handle of a BAR, for doorbells; the same wherever the guest moves the BAR. */
    plugbay_status (*bar_region)(const struct plugbay_host* host, plugbay_handle function, uint32_t bar,
                                 plugbay_handle* region);
    /* [any] Sends MSI-X vector `vector`; masked vectors become pending, as on hardware. While the guest has
     * MSI-X off this does nothing and returns PLUGBAY_UNSUPPORTED: use the pin then. */
    plugbay_status (*notify)(const struct plugbay_host* host, plugbay_handle function, uint32_t vector);
    /* [any] Drives the interrupt pin to `level`. */
    plugbay_status (*set_pin)(const struct plugbay_host* host, plugbay_handle function, uint32_t level);
    /* [device]  Only before the function is on its bus (PLUGBAY_FORBIDDEN): later it goes with its device. */
    plugbay_status (*remove_function)(const struct plugbay_host* host, plugbay_handle function);
};

#ifdef __cplusplus
}
#endif

#endif
