/* What a plugin exports, and what a device type is.
 *
 * A plugin is a shared object that exports exactly one symbol, the constant object `plugbay_plugin_v1`. It
 * links no symbol of the host. Everything reachable from the descriptor is constant-initialised data, so that
 * tools read names, versions, properties and ports from the file without running any of its code. */
#ifndef PLUGBAY_ABI_PLUGIN_H
#define PLUGBAY_ABI_PLUGIN_H

#include "host.h"
#include "property.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PLUGBAY_PLUGIN_SYMBOL "plugbay_plugin_v1"
#define PLUGBAY_PLUGIN_MAGIC UINT64_C(0x3159414247554c50) /* "PLUGBAY1" in memory order */

#define PLUGBAY_DEVICE_CONCURRENT                                                                            \
    1u /* callbacks may run on several threads at once; the device does its own locking */

/* A port: one end of a possible link. A frontend faces the guest and offers the port; a backend faces the
 * host and connects to a frontend by name. */
#define PLUGBAY_PORT_FRONTEND 1u
#define PLUGBAY_PORT_BACKEND 2u
#define PLUGBAY_PORT_OPTIONAL 1u /* the device works without a peer */
struct plugbay_port {
    uint32_t size;
    uint32_t role;         /* PLUGBAY_PORT_FRONTEND or PLUGBAY_PORT_BACKEND */
    uint32_t flags;        /* PLUGBAY_PORT_OPTIONAL */
    uint32_t option_count; /* frontends: what the connecting side may say in "frontend": {...} */
    const char* interface; /* "char/1", "blk/1", "com.example.laser/1" */
    const char* name;      /* NULL: the port is named like its device; else "<device id>.<name>" */
    const struct plugbay_property* const* options;
};

/* Something that a type declares beyond its own struct, by the id of the extension that says what `data` is
 * ("plugbay.registers/1"). Constant data like all of the descriptor; it begins with its size. Who does not know the id
 * leaves it alone. Fixed. */
struct plugbay_declaration {
    const char* id;
    const void* data;
};

struct plugbay_device_type {
    uint32_t size;
    uint32_t flags;   /* PLUGBAY_DEVICE_CONCURRENT */
    const char* name; /* the type name in machine files: lower-case letters, digits and "-" */
    const char* help; /* one sentence */

    /* The version of the state that this build saves, and the oldest that it loads. 0 and 0: no state. */
    uint32_t state_version;
    uint32_t state_version_oldest;

    uint32_t property_count;
    uint32_t port_count;
    const struct plugbay_property* const* properties;
    /* A port's number is its index here. At most one is a backend, since a device of a machine file has one
     * "frontend" to connect it by. */
    const struct plugbay_port* const* ports;

    /* [control] & creating  Makes a device from its checked property values (one a property, in order) and
     * asks the host for its resources. On success stores the instance, which is the first argument of every
     * other callback. On failure everything obtained is given back by the host. */
    plugbay_status (*create)(const struct plugbay_host* host, const struct plugbay_value* values,
                             uint32_t value_count, void** instance);

    /* [control] & quiesced  Ends the device; no callback of it runs or will run. */
    void (*destroy)(void* instance);

    /* [control] & quiesced  Every device exists and every link is connected; guest accesses follow. May be
     * NULL. */
    plugbay_status (*start)(void* instance);

    /* [control] & running  Stop touching guest memory and peers. PLUGBAY_OK: done. PLUGBAY_PENDING:
     * host->quiesced will be called once what is in flight has ended. Doorbells and timers are held back
     * meanwhile. May be NULL. */
    plugbay_status (*quiesce)(void* instance);

    /* [control] & quiesced  Carry on where quiesce stopped. May be NULL. */
    void (*resume)(void* instance);

    /* [control] & quiesced  Return to the state after create, as on power-on. */
    void (*reset)(void* instance);

    /* [any] The device's callback table for an extension or interface role ("plugbay.access/1",
     * "char/1.frontend"), or NULL. Constant for the life of the plugin. */
    const void* (*extension)(const char* id);

    uint32_t declaration_count; /* each id once */
    uint32_t reserved;          /* 0 */
    const struct plugbay_declaration* declarations;
};

struct plugbay_plugin {
    uint64_t magic; /* PLUGBAY_PLUGIN_MAGIC */
    uint32_t size;
    uint16_t abi_major; /* PLUGBAY_ABI_MAJOR and MINOR of the headers it was built with */
    uint16_t abi_minor;
    const char* name;
    const char* version;  /* of the plugin, as its author counts */
    const char* build_id; /* changes with every build that behaves differently; may be "" */
    const char* licence;  /* SPDX identifier, or "" */
    uint32_t type_count;
    uint32_t reserved; /* 0 */
    const struct plugbay_device_type* const* types;
};

#ifdef __cplusplus
}
#endif

#endif
