/* plugbay.firmware/1: what a device adds to the firmware tables that the guest boots with, only while creating: the
 * tables are built when every device exists, and again on reset. */
#ifndef PLUGBAY_ABI_FIRMWARE_H
#define PLUGBAY_ABI_FIRMWARE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_FIRMWARE "plugbay.firmware/1"

/* ACPI's fixed hardware (ACPI 6.5, section 4.8), shown in the FADT. One device of a machine provides it. */
struct plugbay_acpi_fixed_hardware {
    uint32_t size;
    uint16_t pm1_event_port;   /* 4 bytes: status, enable */
    uint16_t pm1_control_port; /* 2 bytes; SLP_TYP 5 is soft-off */
    uint16_t pm_timer_port;    /* 4 bytes; 0: none */
    uint16_t gpe0_port;        /* 0: none */
    uint16_t gpe0_length;      /* bytes of status and enable together */
    uint16_t sci_line;         /* GSI */
    uint16_t reset_port;       /* 1 byte */
    uint8_t reset_value;
    uint8_t reserved;
};

/* Devices that an operating system finds in ACPI's namespace by their plug-and-play id. */
struct plugbay_acpi_legacy_device {
    uint32_t size;
    uint32_t line; /* GSI; UINT32_MAX: none */
    /* A plug-and-play id, "PNP0501", or an ACPI id, "QEMU0001", which fills it without a NUL (section 6.1.5). */
    char hardware_id[8];
    uint16_t first_port; /* up to two port ranges; count 0: none */
    uint16_t port_count;
    uint16_t second_port;
    uint16_t second_port_count;
};

/* Device side, for the provider of the fixed hardware. */
struct plugbay_firmware_callbacks {
    uint32_t size;
    uint32_t reserved;
    /* [control] & running  Sets the status of general-purpose event `event` (of gpe0_length / 2 * 8), which interrupts
     * the guest when it has the event enabled. */
    void (*raise_event)(void* instance, uint32_t event);
};

/* Host side. */
struct plugbay_firmware_host {
    uint32_t size;
    uint32_t reserved;
    /* [control] & creating  A second provider is refused with PLUGBAY_TAKEN. */
    plugbay_status (*set_acpi_fixed_hardware)(const struct plugbay_host* host,
                                              const struct plugbay_acpi_fixed_hardware* hardware);
    /* [control] & creating */
    plugbay_status (*add_acpi_legacy_device)(const struct plugbay_host* host,
                                             const struct plugbay_acpi_legacy_device* device);
    /* [control] & creating  A whole ACPI table with header and checksum; copied. */
    plugbay_status (*add_acpi_table)(const struct plugbay_host* host, const void* table, uint64_t length);
};

#ifdef __cplusplus
}
#endif

#endif
