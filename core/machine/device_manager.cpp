#include "core/machine/device_manager.hpp"

#include "core/base/log.hpp"
#include "core/base/nearest_name.hpp"
#include "core/device/guest_clock.hpp"
#include "core/machine/device_addition.hpp"
#include "core/machine/device_hold.hpp"
#include "core/machine/link_groups.hpp"
#include "core/pci/pci_bus.hpp"
#include "core/pci/pci_function.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>
#include <utility>

namespace plugbay::core {

namespace {

// A configuration names ports by number, and may have been made for another type.
Result<void> check_port(const Device& device, std::uint32_t port, std::uint32_t role) {
    const plugbay_device_type& type = device.type();
    if (port < type.port_count && type.ports[port]->role == role) return {};
    return Error{fmt::format("device \"{}\" ({}) has no {} port {}", device.id(), type.name,
                             role == PLUGBAY_PORT_BACKEND ? "backend" : "frontend", port)};
}

} // namespace

DeviceManager::DeviceManager(MachineServices& services, LoadType load_type,
                             std::vector<std::unique_ptr<IoLoop>> loops)
    : services_(services), load_type_(std::move(load_type)), loops_(std::move(loops)) {}

DeviceManager::~DeviceManager() {
    std::vector<Device*> all;
    for (const auto& device : devices_)
        all.push_back(device.get());
    for (Device* device : frontends_first(std::move(all))) {
        if (given_away_) given_away_->let_go(*device);
        if (auto done = device->quiesce(); !done) log_for(Subsystem::devices).warn("{}", done.error().text());
    }
    while (!devices_.empty())
        take_away(*devices_.back());
}

Device* DeviceManager::find(std::string_view id) const {
    const auto found = device_by_id_.find(id);
    return found == device_by_id_.end() ? nullptr : found->second;
}

Device* DeviceManager::find_stuck(std::chrono::milliseconds limit) const {
    for (const auto& device : devices_) {
        if (!device->lock().try_lock_until(std::chrono::steady_clock::now() + limit)) return device.get();
        device->lock().unlock();
    }
    return nullptr;
}

Result<Device*> DeviceManager::find_named(std::string_view id) const {
    if (Device* device = find(id)) return device;
    std::vector<std::string> ids;
    for (const auto& device : devices_)
        ids.push_back(device->id());
    const std::string near = nearest_name(id, ids);
    return Error{fmt::format("there is no device \"{}\"", id),
                 near.empty() ? "the machine's devices have other ids" : "did you mean \"" + near + "\"?"};
}

// A device's callback waits for nobody: a change that waits for that callback to end would never come to pass.
Result<void> DeviceManager::refuse_inside_callback() const {
    for (const auto& device : devices_) {
        if (device->lock().held()) {
            return Error{fmt::format("devices cannot be changed from inside a callback of device \"{}\"",
                                     device->id()),
                         "leave the callback first"};
        }
    }
    return {};
}

Result<void> DeviceManager::add(std::span<const DeviceConfig> devices, const Place& place) {
    if (auto allowed = refuse_inside_callback(); !allowed) return allowed;
    DeviceHold hold; // of devices that are there already and get a link
    Addition addition(*this);
    if (auto done = bring_in(devices, place, hold); !done) return done;
    for (Device* device : addition.devices()) {
        if (auto started = device->start(); !started) return started;
    }
    addition.keep();
    announce(devices);
    return {};
}

Result<void> DeviceManager::bring_in(std::span<const DeviceConfig> devices, const Place& place,
                                     DeviceHold& hold, Arriving* arriving) {
    const auto at = [&](const SourcePosition& position, Error error) {
        return place ? with_context(place(position), std::move(error)) : error;
    };
    const LinkGroups groups(devices);
    // A new group lives on the loop of a device that it is going to be linked to, else on the next one.
    std::vector<IoLoop*> loops(groups.count());
    for (const DeviceConfig& config : devices) {
        const Device* frontend = config.link ? find(config.link->frontend_device) : nullptr;
        if (frontend != nullptr) loops[groups.of(config.id)] = &find(config.link->frontend_device)->loop();
    }
    for (IoLoop*& loop : loops) {
        if (loop == nullptr) loop = loops_[next_loop_++ % loops_.size()].get();
    }
    for (const DeviceConfig& config : devices) {
        if (auto created = create(config, *loops[groups.of(config.id)], arriving); !created)
            return at(config.position, std::move(created).error());
    }
    if (auto connected = services_.pci.connect(); !connected) return connected;
    for (const DeviceConfig& config : devices) {
        if (!config.link) continue;
        if (Device* frontend = find(config.link->frontend_device)) {
            if (auto held = hold.add(*frontend); !held) return held;
        }
        if (auto connected = connect_new(config); !connected)
            return at(config.link->position, std::move(connected).error());
    }
    return {};
}

void DeviceManager::announce(std::span<const DeviceConfig> devices) const {
    for (const DeviceConfig& config : devices)
        change_({MachineChange::Kind::device_added, config.id, {}});
    for (const DeviceConfig& config : devices) {
        if (!config.link) continue;
        const Link* const link = registry_.link_at(*find(config.id), config.link->backend_port);
        change_(change_of(MachineChange::Kind::connected, *link));
    }
}

Result<void> DeviceManager::create(const DeviceConfig& config, IoLoop& loop, Arriving* arriving) {
    if (find(config.id) != nullptr) {
        return Error{fmt::format("there is a device \"{}\" already", config.id), "choose another id"};
    }
    auto type = load_type_(config.type);
    if (!type) return std::move(type).error();
    devices_.push_back(std::make_unique<Device>(config.id, std::move(*type), services_, loop));
    Device& device = *devices_.back();
    device_by_id_.emplace(device.id(), &device);
    const DeviceConfig& kept = configs_.emplace(&device, config).first->second;
    if (arriving != nullptr) device.handover()->arrive(std::move((*arriving)[device.id()]));
    const auto values = abi_values(kept.properties);
    if (auto created = device.create(values); !created) return created;
    return registry_.offer(device);
}

Result<void> DeviceManager::connect_new(const DeviceConfig& config) {
    const LinkConfig& link = *config.link;
    Device& backend = *find(config.id);
    if (auto good = check_port(backend, link.backend_port, PLUGBAY_PORT_BACKEND); !good) return good;
    const Device* frontend = find(link.frontend_device);
    if (frontend != nullptr) {
        if (auto good = check_port(*frontend, link.frontend_port, PLUGBAY_PORT_FRONTEND); !good) return good;
    }
    const auto options = abi_values(link.options);
    return join(backend, link.backend_port,
                frontend == nullptr ? link.frontend_device : port_name(*frontend, link.frontend_port),
                options);
}

Result<void> DeviceManager::join(Device& backend, std::uint32_t port, std::string_view frontend,
                                 std::span<const plugbay_value> options) {
    const auto found = registry_.find_free(backend, port, frontend);
    if (!found) return found.error();
    join_groups(**found, backend);
    auto connected = registry_.connect(backend, port, frontend, options);
    if (!connected) split_group(backend);
    return connected;
}

std::vector<Device*> DeviceManager::group_of(Device& member) const {
    std::vector<Device*> group;
    for (const auto& device : devices_) {
        if (device->lock().same_group(member.lock())) group.push_back(device.get());
    }
    return group;
}

void DeviceManager::join_groups(Device& one, Device& other) {
    std::vector<CallbackLock*> locks;
    const std::vector<Device*> joining = group_of(other);
    for (Device* device : joining)
        locks.push_back(&device->lock());
    CallbackLock::regroup(locks, one.lock());
    for (Device* device : joining)
        device->move_to(one.loop());
}

// What links no longer join to `member` becomes a group of its own.
void DeviceManager::split_group(Device& member) {
    const std::vector<Device*> group = group_of(member);
    if (group.size() < 2) return;
    std::set<const Device*> joined{&member};
    for (std::size_t before = 0; before != joined.size();) {
        before = joined.size();
        for (const auto& link : registry_.links()) {
            if (joined.contains(link->frontend().device)) joined.insert(link->backend().device);
            if (joined.contains(link->backend().device)) joined.insert(link->frontend().device);
        }
    }
    std::vector<CallbackLock*> rest;
    for (Device* device : group) {
        if (!joined.contains(device)) rest.push_back(&device->lock());
    }
    CallbackLock fresh;
    CallbackLock::regroup(rest, fresh);
}

std::vector<Device*> DeviceManager::dependents_of(Device& device) const {
    std::vector<Device*> found;
    for (const auto& link : registry_.links()) {
        const bool is_frontend = link->frontend().device == &device;
        if (!is_frontend && link->backend().device != &device) continue;
        const Link::End& other = is_frontend ? link->backend() : link->frontend();
        const bool optional = (other.device->type().ports[other.port]->flags & PLUGBAY_PORT_OPTIONAL) != 0;
        if (!optional) found.push_back(other.device);
    }
    services_.pci.each_function([&](const PciBus& bus, std::uint32_t, PciFunction& function) {
        if (&bus.device() == &device) found.push_back(&function.device());
    });
    std::erase(found, &device);
    return found;
}

Result<std::vector<std::string>> DeviceManager::dependents(std::string_view id) const {
    const auto device = find_named(id);
    if (!device) return device.error();
    std::vector<Device*> all{*device};
    for (std::size_t i = 0; i < all.size(); ++i) {
        for (Device* each : dependents_of(*all[i])) {
            if (std::ranges::find(all, each) == all.end()) all.push_back(each);
        }
    }
    std::vector<std::string> ids;
    for (std::size_t i = 1; i < all.size(); ++i)
        ids.push_back(all[i]->id());
    return ids;
}

Result<std::vector<Device*>> DeviceManager::removable(std::string_view id, bool with_dependents) const {
    const auto depending = dependents(id);
    if (!depending) return depending.error();
    if (!depending->empty() && !with_dependents) {
        return Error{fmt::format("device \"{}\" is needed by \"{}\"", id, fmt::join(*depending, "\", \"")),
                     "disconnect or remove these first, or ask for them to be removed too"};
    }
    std::vector<Device*> going{find(id)};
    for (const std::string& each : *depending)
        going.push_back(find(each));
    for (const Device* device : going) {
        bool watches = false;
        device->resources().each(
            [&](const Resource& resource) { watches |= resource.kind() == ResourceKind::ram_watch; });
        if (watches && services_.clock.running()) {
            return Error{
                fmt::format("device \"{}\" watches RAM, which ends only while the guest stands still",
                            device->id()),
                "pause the machine while the device is removed"};
        }
    }
    return going;
}

Result<void> DeviceManager::remove(std::string_view id, bool with_dependents, IfHanging if_hanging) {
    if (auto allowed = refuse_inside_callback(); !allowed) return allowed;
    auto removed = removable(id, with_dependents);
    if (!removed) return std::move(removed).error();
    std::vector<Device*> going = *std::move(removed);
    std::vector<Device*> still = going; // and the other ends of links that end
    std::vector<MachineChange> changes;
    for (const auto& link : registry_.links()) {
        const auto goes = [&](const Link::End& end) {
            return std::ranges::find(going, end.device) != going.end();
        };
        if (goes(link->frontend()) || goes(link->backend()))
            changes.push_back(change_of(MachineChange::Kind::disconnected, *link));
        for (const auto& [one, other] : {std::pair{link->frontend().device, link->backend().device},
                                         std::pair{link->backend().device, link->frontend().device}}) {
            const bool ends = std::ranges::find(going, one) != going.end();
            if (ends && std::ranges::find(still, other) == still.end()) still.push_back(other);
        }
    }
    DeviceHold hold;
    for (Device* device : frontends_first(still)) {
        auto held = hold.add(*device);
        if (held) continue;
        // One that stays has to hold still for the end of its link, and nobody can be torn out of its own code.
        const bool goes = std::ranges::find(going, device) != going.end() && hold.holds(*device);
        if (!goes || if_hanging == IfHanging::refuse) return held;
        log_for(Subsystem::devices).warn("{}; it is removed all the same", held.error().text());
    }
    for (Device* device : going) {
        hold.let_go(*device);
        changes.push_back({MachineChange::Kind::device_removed, device->id(), {}});
    }
    std::ranges::reverse(going); // dependents first
    for (Device* device : going)
        take_away(*device);
    for (const auto& device : devices_) {
        if (std::ranges::find(still, device.get()) != still.end()) split_group(*device);
    }
    services_.pci.retry_refused();
    for (const MachineChange& change : changes)
        change_(change);
    return {};
}

Result<void> DeviceManager::connect(std::string_view backend, std::uint32_t port, std::string_view frontend,
                                    std::span<const PropertyValue> options) {
    if (auto allowed = refuse_inside_callback(); !allowed) return allowed;
    const auto device = find_named(backend);
    if (!device) return device.error();
    if (auto good = check_port(**device, port, PLUGBAY_PORT_BACKEND); !good) return good;
    const auto peer = registry_.find_free(**device, port, frontend);
    if (!peer) return peer.error();
    DeviceHold hold;
    for (Device* each : {*peer, *device}) {
        if (auto held = hold.add(*each); !held) return held;
    }
    auto joined = join(**device, port, frontend, abi_values(options));
    if (!joined) return joined;
    const Link& link = *registry_.link_at(**device, port);
    configs_.at(*device).link = LinkConfig{.frontend_device = link.frontend().device->id(),
                                           .frontend_port = link.frontend().port,
                                           .backend_port = port,
                                           .options = {options.begin(), options.end()}};
    change_(change_of(MachineChange::Kind::connected, link));
    return {};
}

std::vector<DeviceConfig> DeviceManager::configs() const {
    std::vector<DeviceConfig> all;
    for (const auto& device : devices_) {
        all.push_back(configs_.at(device.get()));
        auto& link = all.back().link;
        if (link && registry_.link_at(*device, link->backend_port) == nullptr) link.reset();
    }
    return all;
}

Result<void> DeviceManager::disconnect(std::string_view id, std::uint32_t port) {
    if (auto allowed = refuse_inside_callback(); !allowed) return allowed;
    const auto device = find_named(id);
    if (!device) return device.error();
    const Link* link = registry_.link_at(**device, port);
    if (link == nullptr) return Error{fmt::format("port {} of device \"{}\" is not connected", port, id)};
    Device& frontend = *link->frontend().device;
    DeviceHold hold;
    for (Device* each : {&frontend, link->backend().device}) {
        if (auto held = hold.add(*each); !held) return held;
    }
    const MachineChange change = change_of(MachineChange::Kind::disconnected, *link);
    registry_.disconnect(*link);
    split_group(frontend);
    change_(change);
    return {};
}

Result<void> DeviceManager::set_property(std::string_view id, std::size_t property,
                                         const PropertyValue& value) {
    if (auto allowed = refuse_inside_callback(); !allowed) return allowed;
    const auto device = find_named(id);
    if (!device) return device.error();
    auto& properties = configs_.at(*device).properties;
    auto changed = properties;
    changed.at(property) = value;
    if (auto done = (*device)->change(abi_values(changed)); !done) return done;
    properties = std::move(changed);
    return {};
}

Result<void> DeviceManager::reset(std::string_view id) {
    if (auto allowed = refuse_inside_callback(); !allowed) return allowed;
    const auto device = find_named(id);
    if (!device) return device.error();
    DeviceHold hold;
    if (auto held = hold.add(**device); !held) return held;
    services_.pci.reset(**device);
    (*device)->reset();
    return {};
}

Result<void> DeviceManager::hold_all(DeviceHold& hold) const {
    std::vector<Device*> all;
    for (const auto& device : devices_)
        all.push_back(device.get());
    for (Device* device : frontends_first(std::move(all))) {
        if (auto held = hold.add(*device); !held) return held;
    }
    return {};
}

Result<void> DeviceManager::reset_all(const std::function<Result<void>()>& between) {
    DeviceHold hold;
    if (auto held = hold_all(hold); !held) return held;
    services_.pci.reset();
    for (const auto& device : devices_)
        device->reset();
    return between();
}

std::vector<Device*> DeviceManager::frontends_first(std::vector<Device*> devices) const {
    if (devices.size() < 2) return devices;
    // A few devices are ordered by the links of their groups alone: most machines' changes touch two devices of many.
    constexpr std::size_t few = 8;
    std::vector<const Link*> links;
    for (const auto& link : registry_.links()) {
        const auto joined = [&](Device* each) {
            return each->lock().same_group(link->frontend().device->lock());
        };
        if (devices.size() > few || std::ranges::any_of(devices, joined)) links.push_back(link.get());
    }
    // How many backends lie between a device and the guest; links form chains, of filters for example.
    std::map<const Device*, std::size_t> distance;
    bool changed = true;
    for (std::size_t round = 0; changed && round < devices_.size();
         ++round) { // bounded: links may form a ring
        changed = false;
        for (const Link* link : links) {
            const std::size_t behind = distance[link->frontend().device] + 1;
            std::size_t& known = distance[link->backend().device];
            changed |= behind > known;
            known = std::max(known, behind);
        }
    }
    std::ranges::stable_sort(devices, {}, [&](const Device* device) { return distance[device]; });
    return devices;
}

void DeviceManager::take_away(Device& device) {
    registry_.withdraw(device);
    device_by_id_.erase(device.id());
    const auto place = std::ranges::find(devices_, &device, &std::unique_ptr<Device>::get);
    std::unique_ptr<Device> last = std::move(*place);
    devices_.erase(place);
    configs_.erase(&device);
    Device::retire(std::move(last));
}

} // namespace plugbay::core
