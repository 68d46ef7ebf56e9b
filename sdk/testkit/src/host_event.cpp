// plugbay.host-event/1
#include "host_call.hpp"

#include <utility>

namespace plugbay::testkit::detail {
namespace {
constexpr std::size_t most_waiting = 256;
}

void Machine::publish(const plugbay_host_event& event) {
    for (auto& [handle, subscription] : subscriptions) {
        if ((subscription.kinds & event.kind) == 0) continue;
        if (subscription.waiting.size() == most_waiting) {
            subscription.waiting.pop_front();
            ++subscription.dropped;
        }
        subscription.waiting.push_back(event);
    }
}

int Machine::serve_events() {
    int served = 0;
    std::vector<plugbay_handle> handles;
    for (const auto& [handle, subscription] : subscriptions)
        handles.push_back(handle);
    for (const plugbay_handle handle : handles) {
        const auto place = subscriptions.find(handle); // an earlier callback may have ended it
        if (place == subscriptions.end() || place->second.waiting.empty()) continue;
        SubscriptionRecord& subscription = place->second;
        DeviceRecord& owner = *subscription.owner;
        if (owner.phase != Phase::running) continue;
        plugbay_host_event event = subscription.waiting.front();
        subscription.waiting.pop_front();
        event.dropped = std::exchange(subscription.dropped, 0);
        const std::uint64_t token = subscription.token;
        Callback callback(*this, owner, "host event");
        owner.host_event->event(owner.instance, token, &event);
        ++served;
    }
    return served;
}

namespace {

plugbay_status subscribe(const plugbay_host* host, std::uint32_t kinds, std::uint64_t token,
                         plugbay_handle* handle) noexcept {
    HostCall call(host, "host event subscribe");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    if (handle == nullptr || kinds == 0 || (kinds & ~PLUGBAY_EVENT_ALL) != 0)
        return call.violate(PLUGBAY_INVALID, "the handle pointer is NULL or unknown kinds are wanted");
    if (call.device.host_event == nullptr || call.device.host_event->event == nullptr)
        return call.violate(PLUGBAY_INVALID, "the device has no " PLUGBAY_HOST_EVENT " callbacks");
    *handle = HostCall::store(call.machine, call.machine.subscriptions,
                              SubscriptionRecord{&call.device, kinds, token});
    return PLUGBAY_OK;
}

plugbay_status publish(const plugbay_host* host, const plugbay_host_event* event) noexcept {
    HostCall call(host, "host event publish");
    const bool one_kind = event != nullptr && (event->kind & PLUGBAY_EVENT_ALL) == event->kind &&
                          event->kind != 0 && (event->kind & (event->kind - 1)) == 0;
    if (!one_kind || event->dropped != 0)
        return call.violate(PLUGBAY_INVALID, "an event has one known kind, and a publisher drops none");
    call.machine.publish(*event);
    return PLUGBAY_OK;
}

plugbay_status unsubscribe(const plugbay_host* host, plugbay_handle handle) noexcept {
    HostCall call(host, "host event unsubscribe");
    if (!call.in_callback()) return PLUGBAY_FORBIDDEN;
    return call.give_back(call.machine.subscriptions, handle);
}

} // namespace

constinit const plugbay_host_event_host host_event_host{sizeof(plugbay_host_event_host), 0, subscribe,
                                                        publish, unsubscribe};

} // namespace plugbay::testkit::detail
