/* com.example.sensor-bus/1: a bus on which one sensor measures when it is asked. Neither Plugbay nor its SDK knows it: the
 * vendors of controllers (frontends) and of sensors (backends) share this header, and nothing else.
 *
 * It keeps the rules of Plugbay's ABI (plugbay/abi/base.h, plugbay/abi/link.h): C types, structs that begin with their size and
 * grow only at their end, tables that the host hands from one side to the other, values and no pointers that outlive a call. */
#ifndef EXAMPLE_SENSOR_BUS_H
#define EXAMPLE_SENSOR_BUS_H

#include <plugbay/abi/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SENSOR_BUS "com.example.sensor-bus/1"
#define SENSOR_BUS_MOST_CHANNELS 256u

/* What a sensor implements ("com.example.sensor-bus/1.backend"). */
struct sensor_bus_backend {
    uint32_t size;
    uint32_t reserved;
    /* [device] How many channels there are, 1 to SENSOR_BUS_MOST_CHANNELS; the same for the life of the link. */
    uint32_t (*channels)(void* instance, uint64_t port);
    /* [device] & running  Begins a measurement of a channel, which the sensor answers with one `measured`: later, or from inside
     * this call. A measurement that was begun before and has not been answered is given up. */
    void (*measure)(void* instance, uint64_t port, uint32_t channel);
};

/* What a controller implements ("com.example.sensor-bus/1.frontend"). */
struct sensor_bus_frontend {
    uint32_t size;
    uint32_t reserved;
    /* [device] & running  The end of a measurement. `value`, in thousandths of the channel's unit, counts only with PLUGBAY_OK. A
     * controller ignores what it has not asked for. */
    void (*measured)(void* instance, uint64_t port, uint32_t channel, plugbay_status status, int32_t value);
};

#ifdef __cplusplus
}
#endif

#endif
