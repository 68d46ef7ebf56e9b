// Starting, stopping, resetting.
#include "machine.hpp"

#include <algorithm>
#include <thread>

namespace plugbay::testkit::detail {
namespace {

bool is_backend(const DeviceRecord& device) {
    const std::span ports(device.type->ports, device.type->port_count);
    return !ports.empty() && std::all_of(ports.begin(), ports.end(), [](const plugbay_port* port) {
        return port->role == PLUGBAY_PORT_BACKEND;
    });
}

} // namespace

std::vector<DeviceRecord*> Machine::frontends_first() const {
    std::vector<DeviceRecord*> order;
    for (const auto& device : devices)
        order.push_back(device.get());
    std::stable_partition(order.begin(), order.end(),
                          [](const DeviceRecord* device) { return !is_backend(*device); });
    return order;
}

void Machine::require_peers() const {
    for (const auto& device : devices) {
        for (std::uint32_t port = 0; port < device->type->port_count; ++port) {
            const bool joined = std::any_of(connections.begin(), connections.end(), [&](const auto& link) {
                return (link->frontend.device == device.get() && link->frontend.port == port) ||
                       (link->backend.device == device.get() && link->backend.port == port);
            });
            if (!joined && (device->type->ports[port]->flags & PLUGBAY_PORT_OPTIONAL) == 0)
                throw Error("port " + std::to_string(port) + " of \"" + device->id + "\" (" +
                            device->type->ports[port]->interface + ") has no peer and needs one");
        }
    }
}

void Machine::start() {
    if (started) throw Error("the machine was started before: resume() it", PLUGBAY_FORBIDDEN);
    require_stopped("starting");
    require_peers();
    started = true;
    assign_built_in_bus();
    resume();
}

void Machine::begin_quiesce() {
    require_running("quiescing");
    if (!frames_.empty()) throw Error("quiescing is not possible inside a callback", PLUGBAY_FORBIDDEN);
    running = false;
    for (DeviceRecord* device : frontends_first()) {
        device->phase = Phase::quiescing;
        device->quiesced_early = false;
        plugbay_status status = PLUGBAY_OK;
        if (device->type->quiesce != nullptr) {
            Callback callback(*this, *device, "quiesce");
            status = device->type->quiesce(device->instance);
        }
        if (status < 0 || status > PLUGBAY_PENDING)
            violation(device, "quiesce returned " + std::to_string(status) + ": " + device->error);
        if (status == PLUGBAY_OK && device->quiesced_early)
            violation(device, "quiesce returned PLUGBAY_OK but called host->quiesced as well");
        if (status != PLUGBAY_PENDING || device->quiesced_early) mark_stopped(*device);
    }
}

void Machine::mark_stopped(DeviceRecord& device) {
    device.phase = Phase::stopped;
    for (MapRecord& map : maps)
        map.expired |= map.owner == &device;
}

std::vector<std::string> Machine::quiesce_pending() const {
    std::vector<std::string> pending;
    for (const auto& device : devices) {
        if (device->phase == Phase::quiescing) pending.push_back(device->id);
    }
    return pending;
}

void Machine::quiesce(std::chrono::milliseconds timeout) {
    begin_quiesce();
    const auto end = std::chrono::steady_clock::now() + timeout;
    run();
    while (!quiesce_pending().empty()) {
        if (std::chrono::steady_clock::now() > end)
            throw Error("device \"" + quiesce_pending().front() + "\" did not become quiescent in time");
        mutex_.unlock(); // for devices' own threads
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        mutex_.lock();
        run();
    }
}

void Machine::resume() {
    if (!started) throw Error("the machine has not been started: start() it", PLUGBAY_FORBIDDEN);
    require_stopped("resuming");
    require_peers();
    auto order = frontends_first();
    std::reverse(order.begin(), order.end());
    for (const auto& device : devices) { // creation order
        if (device->started) continue;
        if (device->type->start != nullptr) {
            plugbay_status status = PLUGBAY_OK;
            {
                Callback callback(*this, *device, "start");
                status = device->type->start(device->instance);
            }
            if (status < 0) throw Error("device \"" + device->id + "\": " + device->error, status);
            if (status > 0) violation(device.get(), "start returned a positive status");
        }
        device->started = true;
        device->phase = Phase::running;
    }
    for (DeviceRecord* device : order) {
        if (device->phase == Phase::running) continue;
        device->phase = Phase::running;
        if (device->type->resume == nullptr) continue;
        Callback callback(*this, *device, "resume");
        device->type->resume(device->instance);
    }
    running = true;
}

void Machine::reset() {
    const bool was_running = running;
    if (was_running) quiesce(std::chrono::seconds(10));
    require_stopped("resetting");
    for (const plugbay_handle handle : rung) {
        if (const auto place = doorbells.find(handle); place != doorbells.end()) place->second.rung = false;
    }
    rung.clear();
    for (auto& [handle, function] : functions) {
        function.power_on();
        function_changed(function);
    }
    for (const auto& device : devices) {
        Callback callback(*this, *device, "reset");
        device->type->reset(device->instance);
    }
    if (started) assign_built_in_bus();
    if (was_running) resume();
}

} // namespace plugbay::testkit::detail
