#include "core/hotswap/live_rehearsal.hpp"

#include "core/device/handover_store.hpp"
#include "core/machine/machine.hpp"
#include "core/registry/registry.hpp"

#include <ctime>
#include <mutex>
#include <string_view>

namespace plugbay::core {

namespace {

// What the peer of `device` says of itself, for interfaces in which it does.
void ask_peer(Device& device, const Link& link, RehearsedLink& rehearsed) {
    const bool is_frontend = link.frontend().device == &device;
    const Link::End& peer = is_frontend ? link.backend() : link.frontend();
    const void* const table = port_table(*peer.device, peer.port);
    const std::string_view interface = device.type().ports[rehearsed.port]->interface;
    if (!is_frontend || table == nullptr) return;
    const std::lock_guard guard(device.lock()); // the peer's too
    if (interface == PLUGBAY_BLK) {
        plugbay_blk_facts facts{};
        facts.size = sizeof facts;
        static_cast<const plugbay_blk_backend*>(table)->facts(peer.device->instance(), peer.port, &facts);
        rehearsed.peer = facts;
    } else if (interface == PLUGBAY_NET) {
        plugbay_net_facts facts{};
        facts.size = sizeof facts;
        static_cast<const plugbay_net_backend*>(table)->facts(peer.device->instance(), peer.port, &facts);
        rehearsed.peer = facts;
    }
}

} // namespace

RehearsedMachine as_seen(const Machine& machine) {
    RehearsedMachine seen{.cpus = machine.config().cpus, .guest_time = machine.guest_time()};
    seen.memory_below_4gb = 0;
    for (const MemoryRange& range : machine.memory().ranges())
        (range.address == 0 ? seen.memory_below_4gb : seen.memory_above_4gb) += range.size;
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    seen.calendar =
        static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
    return seen;
}

Result<RehearsalRequest> rehearsal_of(Machine& machine, const DeviceManager::Replacement& replacement,
                                      const std::shared_ptr<const StagedPlugin>& plugin) {
    DeviceManager& devices = machine.devices();
    const auto device = devices.find_named(replacement.id);
    if (!device) return device.error();
    RehearsalRequest request{.plugin = plugin,
                             .type = (*device)->type().name,
                             .id = replacement.id,
                             .properties = replacement.properties,
                             .beside = true};
    for (const auto& link : devices.registry().links()) {
        const bool is_frontend = link->frontend().device == *device;
        if (!is_frontend && link->backend().device != *device) continue;
        RehearsedLink rehearsed{.port = is_frontend ? link->frontend().port : link->backend().port};
        const auto options = replacement.options.find(rehearsed.port);
        if (is_frontend && options != replacement.options.end()) rehearsed.options = options->second;
        ask_peer(**device, *link, rehearsed);
        request.links.push_back(std::move(rehearsed));
    }
    return request;
}

Result<RehearsalReport> rehearse_live(Machine& machine, const DeviceManager::Replacement& replacement,
                                      const std::shared_ptr<const StagedPlugin>& plugin,
                                      std::chrono::milliseconds limit, int call_off) {
    auto rehearsal = rehearsal_of(machine, replacement, plugin);
    if (!rehearsal) return std::move(rehearsal).error();
    RehearsalRequest& request = *rehearsal;
    request.call_off = call_off;
    Device* const device = machine.devices().find(replacement.id);
    const std::uint64_t held_before = device->pauses().total;
    auto state = machine.devices().snapshot(replacement.id, limit);
    if (!state) return std::move(state).error();
    const std::chrono::nanoseconds held(device->pauses().total - held_before);
    const auto memory = machine.memory().share();
    if (!memory) return memory.error();
    request.machine = as_seen(machine); // now: a state may depend on the clocks
    request.machine.memory = memory->get();
    std::string why;
    request.state = StateImage::parse(*std::move(state), why);
    if (!request.state) return Error{"the build that runs saved no good state: " + why};
    request.resources.emplace();
    device->resources().each([&](const Resource& resource) {
        const bool compared =
            resource.kind() == ResourceKind::region || resource.kind() == ResourceKind::line;
        if (compared && resource.guest_visible()) request.resources->push_back(resource.describe());
    });
    const auto left = device->handover()->duplicate_all();
    if (!left) return left.error();
    for (const auto& [name, descriptor] : *left)
        request.handover.push_back({.name = name, .descriptor = descriptor.get()});
    auto report = rehearse(request);
    if (report) report->held = held;
    return report;
}

} // namespace plugbay::core
