/* A device in plain C whose build of ABI 1.0 is kept: abi-1.0-c.so. Never change it; a later ABI gets a file of its own.
 *
 *   offset 0   4 bytes, read and write: a number
 *   offset 8   4 bytes, read: twice the number */
#include <plugbay/abi/access.h>
#include <plugbay/abi/plugin.h>
#include <plugbay/abi/state.h>

#include <stdlib.h>
#include <string.h>

struct device {
    const struct plugbay_host* host;
    const struct plugbay_access_host* access;
    plugbay_handle region;
    uint32_t number;
};

/* --- the guest --- */

static uint64_t read_register(void* instance, uint64_t token, uint64_t offset, uint32_t width) {
    const struct device* self = instance;
    (void)token;
    (void)width;
    switch (offset) {
    case 0:
        return self->number;
    case 8:
        return self->number * UINT32_C(2);
    default:
        return 0;
    }
}

static void write_register(void* instance, uint64_t token, uint64_t offset, uint32_t width, uint64_t value) {
    struct device* self = instance;
    (void)token;
    (void)width;
    if (offset == 0) self->number = (uint32_t)value;
}

static const struct plugbay_access_callbacks access_callbacks = {
    .size = sizeof(struct plugbay_access_callbacks),
    .read = read_register,
    .write = write_register,
};

/* --- state --- */

static plugbay_status save(void* instance, const struct plugbay_state_writer* writer) {
    const struct device* self = instance;
    return writer->put(writer, "number", PLUGBAY_FIELD_U32, &self->number, 1, 0);
}

static plugbay_status load(void* instance, const struct plugbay_state_reader* reader) {
    struct device* self = instance;
    uint32_t number = 0;
    const plugbay_status status = reader->get(reader, "number", PLUGBAY_FIELD_U32, &number, 1);
    if (status != PLUGBAY_OK) {
        self->host->set_error(self->host, "the state has no field \"number\" of one u32");
        return status;
    }
    self->number = number;
    return PLUGBAY_OK;
}

static const struct plugbay_state_callbacks state_callbacks = {
    .size = sizeof(struct plugbay_state_callbacks),
    .save = save,
    .load = load,
};

/* --- life --- */

static plugbay_status create(const struct plugbay_host* host, const struct plugbay_value* values,
                             uint32_t value_count, void** instance) {
    (void)value_count;
    struct device* self = calloc(1, sizeof *self);
    if (self == NULL) {
        host->set_error(host, "there is no memory for the device");
        return PLUGBAY_NO_MEMORY;
    }
    self->host = host;
    self->access = host->extension(host, PLUGBAY_ACCESS);
    plugbay_status status = PLUGBAY_UNSUPPORTED;
    if (self->access == NULL)
        host->set_error(host, "the host has no " PLUGBAY_ACCESS);
    else
        status = self->access->map_memory(host, values[0].number, 16, 0, &self->region);
    if (status != PLUGBAY_OK) { /* the host has set the text */
        free(self);
        return status;
    }
    *instance = self;
    return PLUGBAY_OK;
}

static void destroy(void* instance) {
    struct device* self = instance;
    self->access->unmap(self->host, self->region);
    free(self);
}

static void reset(void* instance) {
    struct device* self = instance;
    self->number = 0;
}

static const void* extension(const char* id) {
    if (strcmp(id, PLUGBAY_ACCESS) == 0) return &access_callbacks;
    if (strcmp(id, PLUGBAY_STATE) == 0) return &state_callbacks;
    return NULL;
}

/* --- the descriptor --- */

static const struct plugbay_property place = {
    .size = sizeof(struct plugbay_property),
    .kind = PLUGBAY_PROPERTY_UNSIGNED,
    .name = "address",
    .help = "guest-physical address of 16 bytes",
    .default_number = 0xd0000000,
    .minimum = 0xc0000000,
    .maximum = UINT64_C(0xfffffffff000),
};
static const struct plugbay_property* const properties[] = {&place};

static const struct plugbay_device_type type = {
    .size = sizeof(struct plugbay_device_type),
    .name = "kept-doubler",
    .help = "Doubles a number.",
    .state_version = 1,
    .state_version_oldest = 1,
    .property_count = 1,
    .properties = properties,
    .create = create,
    .destroy = destroy,
    .reset = reset,
    .extension = extension,
};
static const struct plugbay_device_type* const types[] = {&type};

__attribute__((visibility("default"))) const struct plugbay_plugin plugbay_plugin_v1 = {
    .magic = PLUGBAY_PLUGIN_MAGIC,
    .size = sizeof(struct plugbay_plugin),
    .abi_major = PLUGBAY_ABI_MAJOR,
    .abi_minor = PLUGBAY_ABI_MINOR,
    .name = "kept-doubler",
    .version = "0.1.0",
    .build_id = "",
    .licence = "Apache-2.0",
    .type_count = 1,
    .types = types,
};
