#include "core/device/device.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/device/host_events.hpp"

#include <plugbay/abi/host_event.h>

#include <fmt/format.h>

namespace plugbay::core {

namespace {

plugbay_status subscribe(const plugbay_host* host, std::uint32_t kinds, std::uint64_t token,
                         plugbay_handle* handle) {
    Device& device = Device::of(host);
    if (device.callbacks<plugbay_host_event_callbacks>(PLUGBAY_HOST_EVENT) == nullptr) {
        return device.refuse(PLUGBAY_INVALID,
                             "host events were asked for, but the device has no event callback");
    }
    if (kinds == 0 || (kinds & ~PLUGBAY_EVENT_ALL) != 0)
        return device.refuse(PLUGBAY_INVALID,
                             fmt::format("no host events of kinds {:#x} are known here", kinds));
    auto resource = device.services().events.subscribe(device, kinds, token);
    if (!resource) return device.refuse(PLUGBAY_NO_MEMORY, resource.error().text());
    return hold(device, std::move(*resource), handle);
}

plugbay_status publish(const plugbay_host* host, const plugbay_host_event* event) {
    Device& device = Device::of(host);
    if (event == nullptr || !HostEvents::valid(*event))
        return device.refuse(PLUGBAY_INVALID, "a host event has exactly one of the known kinds");
    plugbay_host_event published = *event;
    published.dropped = 0;
    device.services().events.publish(published);
    return PLUGBAY_OK;
}

plugbay_status unsubscribe(const plugbay_host* host, plugbay_handle handle) {
    return give_back<HostEvents::Resource>(Device::of(host), handle);
}

} // namespace

const void* host_event_host_table() {
    static constexpr plugbay_host_event_host table{sizeof table, 0, &subscribe, &publish, &unsubscribe};
    return &table;
}

} // namespace plugbay::core
