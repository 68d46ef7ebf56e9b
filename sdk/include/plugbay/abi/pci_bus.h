/* plugbay.pci-bus/1: for devices that are a PCI host bridge. The bridge decides how the guest reaches
 * configuration space and where BARs go at power-on; the host keeps the functions. */
#ifndef PLUGBAY_ABI_PCI_BUS_H
#define PLUGBAY_ABI_PCI_BUS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_PCI_BUS "plugbay.pci-bus/1"

/* Windows end within their space and lie on no RAM; the port window not on the configuration ports 0xcf8-0xcff,
 * the 32-bit window not on the interrupt controllers' addresses 0xfec00000-0xfeefffff. */
struct plugbay_pci_bus {
    uint32_t size;
    uint32_t lines[4];    /* GSIs that the pins go to: slot s, pin p (0 = INTA) uses lines[(s + p) % 4] */
    uint16_t port_window; /* first port for BARs; 0: none */
    uint16_t port_window_size; /* ports */
    uint32_t reserved;
    uint64_t memory32_window, memory32_window_size; /* bytes, below 4 GiB */
    uint64_t memory64_window, memory64_window_size; /* from 4 GiB on; 0: none */

    /* Hot plug, told to the guest through ACPI (6.5, section 6.3): the first of sixteen ports of the device's own with
     * these doublewords, and the general-purpose event that says "look at them".
     *   +0  read: bit s is set when slot s got or lost its function; reading clears
     *   +4  read: bit s is set when the guest is asked to let go of slot s; reading, or a change of s, clears
     *   +8  write: bit s says that the guest has let go of slot s
     * Port 0: no hot plug. */
    uint32_t hotplug_port;
    uint32_t hotplug_event;
};

/* A BAR as the bridge sees it when it assigns addresses. Fixed. */
struct plugbay_pci_bar_slot {
    uint32_t slot; /* device number on the bus */
    uint32_t bar;
    uint32_t kind; /* PLUGBAY_BAR_PORTS, _MEMORY32, _MEMORY64, perhaps with _PREFETCHABLE */
    uint32_t reserved;
    uint64_t length;
    uint64_t address; /* 0: not assigned */
};

/* Device side, for bridges with hot plug. After each call the host raises hotplug_event. */
struct plugbay_pci_bus_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [control] & running  `slot` got a function, or lost it without the guest's consent, while the guest runs. */
    void (*changed)(void* instance, uint32_t slot);
    /* [control] & running  The guest shall let go of `slot`. */
    void (*detach_requested)(void* instance, uint32_t slot);
};

/* Host side. */
struct plugbay_pci_bus_host {
    uint32_t size;
    uint32_t reserved;
    /* [control] & creating  Makes the bus, named by the device's id, with the windows shown to the guest.
     * PLUGBAY_INVALID: a window is where none can be. */
    plugbay_status (*add_bus)(const struct plugbay_host* host, const struct plugbay_pci_bus* bus,
                              plugbay_handle* handle);
    /* [any] Configuration access to `slot`, function 0; `offset` and `width` (1, 2, 4) are within one
     * doubleword. An empty slot reads all ones. */
    uint32_t (*config_read)(const struct plugbay_host* host, plugbay_handle bus, uint32_t slot,
                            uint32_t offset, uint32_t width);
    void (*config_write)(const struct plugbay_host* host, plugbay_handle bus, uint32_t slot, uint32_t offset,
                         uint32_t width, uint32_t value);
    /* [control] Copies up to `capacity` BARs of all functions, ordered by slot and number; returns how many
     * there are. */
    uint32_t (*bars)(const struct plugbay_host* host, plugbay_handle bus, struct plugbay_pci_bar_slot* bars,
                     uint32_t capacity);
    /* [control] Puts an address into a BAR and enables decoding of its space. */
    plugbay_status (*assign)(const struct plugbay_host* host, plugbay_handle bus, uint32_t slot, uint32_t bar,
                             uint64_t address);
    /* [any] The guest has let go of the slots whose bits are set: their devices are going to be removed. */
    plugbay_status (*ejected)(const struct plugbay_host* host, plugbay_handle bus, uint32_t slots);
};

#ifdef __cplusplus
}
#endif

#endif
