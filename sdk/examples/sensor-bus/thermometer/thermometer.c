/* umbrella-thermometer, by a second vendor, in plain C: a sensor on a com.example.sensor-bus/1.
 *
 *   channel 0   the temperature, in thousandths of a degree Celsius
 *   channel 1   how many measurements there were before
 *
 * A measurement takes the time of a conversion, as a real one would, so the answer comes from a timer. */
#include <example/sensor_bus.h>
#include <plugbay/abi/link.h>
#include <plugbay/abi/live.h>
#include <plugbay/abi/plugin.h>
#include <plugbay/abi/state.h>
#include <plugbay/abi/timer.h>

#include <stdlib.h>
#include <string.h>

enum { channel_count = 2 };

struct thermometer {
    const struct plugbay_host* host;
    const struct plugbay_timer_host* clock;
    const struct plugbay_link* controller; /* NULL: none */
    plugbay_handle timer;
    int32_t temperature;
    uint64_t conversion; /* ns */
    /* State. */
    uint8_t measuring;
    uint32_t channel;  /* that is measured */
    uint64_t deadline; /* of the measurement, guest time */
    uint32_t count;    /* of measurements */
};

static void set_timer(struct thermometer* self) {
    if (self->measuring)
        self->clock->arm(self->host, self->timer, self->deadline, 0);
    else
        self->clock->disarm(self->host, self->timer);
}

/* --- the sensor bus --- */

static uint32_t channels(void* instance, uint64_t port) {
    (void)instance;
    (void)port;
    return channel_count;
}

static void measure(void* instance, uint64_t port, uint32_t channel) {
    struct thermometer* self = instance;
    (void)port;
    self->measuring = 1;
    self->channel = channel;
    self->deadline = self->clock->now(self->host, PLUGBAY_CLOCK_GUEST) + self->conversion;
    set_timer(self);
}

static const struct sensor_bus_backend sensor = {
    .size = sizeof(struct sensor_bus_backend),
    .channels = channels,
    .measure = measure,
};

static void expired(void* instance, uint64_t token) {
    struct thermometer* self = instance;
    (void)token;
    if (!self->measuring) return;
    const uint32_t channel = self->channel;
    plugbay_status status = PLUGBAY_OK;
    int32_t value = 0;
    if (channel == 0)
        value = self->temperature;
    else if (channel == 1)
        value = (int32_t)(self->count & INT32_MAX);
    else
        status = PLUGBAY_NOT_FOUND;
    self->measuring = 0;
    ++self->count;
    /* The last thing, because the controller may ask again from inside. */
    if (self->controller == NULL || self->controller->table == NULL) return;
    const struct sensor_bus_frontend* frontend = self->controller->table;
    frontend->measured(self->controller->instance, self->controller->port, channel, status, value);
}

static const struct plugbay_timer_callbacks timer_callbacks = {
    .size = sizeof(struct plugbay_timer_callbacks),
    .expired = expired,
};

static plugbay_status connected(void* instance, uint64_t port, const struct plugbay_link* link,
                                const struct plugbay_value* options, uint32_t option_count) {
    struct thermometer* self = instance;
    (void)port;
    (void)options;
    (void)option_count;
    self->controller = link;
    return PLUGBAY_OK;
}

static void disconnected(void* instance, uint64_t port) {
    struct thermometer* self = instance;
    (void)port;
    self->controller = NULL;
    self->measuring = 0;
    set_timer(self);
}

static const struct plugbay_link_callbacks link_callbacks = {
    .size = sizeof(struct plugbay_link_callbacks),
    .connected = connected,
    .disconnected = disconnected,
};

/* --- state: everything is checked before anything changes --- */

static plugbay_status save(void* instance, const struct plugbay_state_writer* writer) {
    const struct thermometer* self = instance;
    plugbay_status status = writer->put(writer, "measuring", PLUGBAY_FIELD_BOOLEAN, &self->measuring, 1, 0);
    if (status == PLUGBAY_OK)
        status = writer->put(writer, "channel", PLUGBAY_FIELD_U32, &self->channel, 1, 0);
    if (status == PLUGBAY_OK)
        status = writer->put(writer, "deadline", PLUGBAY_FIELD_U64, &self->deadline, 1, 0);
    if (status == PLUGBAY_OK) status = writer->put(writer, "count", PLUGBAY_FIELD_U32, &self->count, 1, 0);
    return status;
}

static plugbay_status load(void* instance, const struct plugbay_state_reader* reader) {
    struct thermometer* self = instance;
    struct thermometer next = *self;
    plugbay_status status = reader->get(reader, "measuring", PLUGBAY_FIELD_BOOLEAN, &next.measuring, 1);
    if (status == PLUGBAY_OK) status = reader->get(reader, "channel", PLUGBAY_FIELD_U32, &next.channel, 1);
    if (status == PLUGBAY_OK) status = reader->get(reader, "deadline", PLUGBAY_FIELD_U64, &next.deadline, 1);
    if (status == PLUGBAY_OK) status = reader->get(reader, "count", PLUGBAY_FIELD_U32, &next.count, 1);
    if (status != PLUGBAY_OK) {
        self->host->set_error(self->host, "the state lacks measuring, channel, deadline or count");
        return status;
    }
    *self = next;
    set_timer(self);
    return PLUGBAY_OK;
}

static const struct plugbay_state_callbacks state_callbacks = {
    .size = sizeof(struct plugbay_state_callbacks),
    .save = save,
    .load = load,
};

/* --- properties --- */

static const struct plugbay_property temperature = {
    .size = sizeof(struct plugbay_property),
    .kind = PLUGBAY_PROPERTY_SIGNED,
    .flags = PLUGBAY_PROPERTY_LIVE,
    .name = "temperature",
    .help = "what it measures, in thousandths of a degree Celsius",
    .default_number = 21500,
    .minimum = (uint64_t)INT64_C(-273150),
    .maximum = 1000000,
};
static const struct plugbay_property conversion = {
    .size = sizeof(struct plugbay_property),
    .kind = PLUGBAY_PROPERTY_UNSIGNED,
    .name = "conversion",
    .help = "microseconds that a measurement takes",
    .default_number = 100,
    .maximum = 1000000,
};
static const struct plugbay_property* const properties[] = {&temperature, &conversion};

static plugbay_status change(void* instance, const struct plugbay_value* values, uint32_t count) {
    struct thermometer* self = instance;
    (void)count;
    self->temperature = (int32_t)(int64_t)values[0].number;
    return PLUGBAY_OK;
}

static const struct plugbay_live_callbacks live_callbacks = {
    .size = sizeof(struct plugbay_live_callbacks),
    .change = change,
};

/* --- life --- */

static plugbay_status create(const struct plugbay_host* host, const struct plugbay_value* values,
                             uint32_t value_count, void** instance) {
    (void)value_count;
    struct thermometer* self = calloc(1, sizeof *self);
    if (self == NULL) {
        host->set_error(host, "there is no memory for the device");
        return PLUGBAY_NO_MEMORY;
    }
    self->host = host;
    self->temperature = (int32_t)(int64_t)values[0].number;
    self->conversion = values[1].number * 1000;
    self->clock = host->extension(host, PLUGBAY_TIMER);
    plugbay_status status = PLUGBAY_UNSUPPORTED;
    if (self->clock == NULL)
        host->set_error(host, "the host has no " PLUGBAY_TIMER);
    else
        status = self->clock->create(host, PLUGBAY_CLOCK_GUEST, 0, &self->timer);
    if (status != PLUGBAY_OK) { /* the host has set the text */
        free(self);
        return status;
    }
    *instance = self;
    return PLUGBAY_OK;
}

static void destroy(void* instance) {
    struct thermometer* self = instance;
    self->clock->destroy(self->host, self->timer);
    free(self);
}

static void reset(void* instance) {
    struct thermometer* self = instance;
    self->measuring = 0;
    self->channel = 0;
    self->deadline = 0;
    self->count = 0;
    set_timer(self);
}

static const void* extension(const char* id) {
    if (strcmp(id, SENSOR_BUS ".backend") == 0) return &sensor;
    if (strcmp(id, PLUGBAY_LINK) == 0) return &link_callbacks;
    if (strcmp(id, PLUGBAY_TIMER) == 0) return &timer_callbacks;
    if (strcmp(id, PLUGBAY_STATE) == 0) return &state_callbacks;
    if (strcmp(id, PLUGBAY_LIVE) == 0) return &live_callbacks;
    return NULL;
}

/* --- what can be read from the file without running it --- */

static const struct plugbay_port controller = {
    .size = sizeof(struct plugbay_port),
    .role = PLUGBAY_PORT_BACKEND,
    .flags = PLUGBAY_PORT_OPTIONAL, /* it may be plugged in later, while the machine runs */
    .interface = SENSOR_BUS,
};
static const struct plugbay_port* const ports[] = {&controller};

static const struct plugbay_device_type type = {
    .size = sizeof(struct plugbay_device_type),
    .name = "umbrella-thermometer",
    .help = "A thermometer on a sensor bus.",
    .state_version = 1,
    .state_version_oldest = 1,
    .property_count = 2,
    .port_count = 1,
    .properties = properties,
    .ports = ports,
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
    .name = "umbrella-thermometer",
    .version = "1.0.0",
    .build_id = "",
    .licence = PLUGBAY_PLUGIN_LICENCE,
    .type_count = 1,
    .types = types,
};
