// All devices of a machine saved, and made anew from what was saved. The order of events: docs/checkpoint.md.
#include "core/machine/device_addition.hpp"
#include "core/machine/device_hold.hpp"
#include "core/machine/device_manager.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iterator>
#include <map>
#include <utility>

namespace plugbay::core {

namespace {

// What the guest knows of it, sorted.
std::vector<std::string> guest_visible(Device& device) {
    std::vector<std::string> names;
    for (const auto& resource : device.resources().all()) {
        if (resource->guest_visible()) names.push_back(resource->describe());
    }
    std::ranges::sort(names);
    return names;
}

Result<DeviceState> save(Device& device) {
    DeviceState saved{
        .id = device.id(), .type = device.type().name, .state_version = device.type().state_version};
    if (device.plugin() != nullptr) {
        const PluginDescription& plugin = device.plugin()->description();
        saved.plugin = plugin.name;
        saved.version = plugin.version;
    }
    auto state = device.save();
    if (!state) return std::move(state).error();
    saved.state = *std::move(state);
    for (const auto& resource : device.resources().all()) {
        auto image = resource->save();
        if (!image) return with_context("device \"" + device.id() + "\"", std::move(image).error());
        if (*image) saved.held.push_back({.name = resource->describe(), .state = (*image)->bytes()});
    }
    saved.guest_visible = guest_visible(device);
    return saved;
}

Result<void> load_held(Device& device, const DeviceState& saved) {
    const auto refused = [&](Error error) {
        return with_context("device \"" + device.id() + "\"", std::move(error));
    };
    std::vector<std::shared_ptr<Resource>> resources = device.resources().all();
    for (const DeviceState::Held& held : saved.held) {
        const auto found =
            std::ranges::find(resources, held.name, [](const auto& each) { return each->describe(); });
        if (found == resources.end())
            return refused(
                Error{"a state of its " + held.name + " was saved, and this build does not have that",
                      "use the build that saved it, " + saved.plugin + " " + saved.version});
        std::string why;
        const auto image = StateImage::parse(held.state, why);
        if (!image) return refused(Error{held.name + ": " + why});
        if (auto loaded = (*found)->load(*image); !loaded)
            return refused(with_context(held.name, std::move(loaded).error()));
        resources.erase(found);
    }
    for (const auto& resource : resources) {
        const auto image = resource->save();
        if (image && *image)
            return refused(Error{"no state of its " + resource->describe() + " was saved",
                                 "use the build that saved it, " + saved.plugin + " " + saved.version});
    }
    return {};
}

// After its state, which may make it ask for more. What it has beyond that a guest finds or does not.
Result<void> check_guest_visible(Device& device, const DeviceState& saved) {
    if (!saved.guest_visible) return {};
    const std::vector<std::string> here = guest_visible(device);
    std::vector<std::string> missing, other;
    std::ranges::set_difference(*saved.guest_visible, here, std::back_inserter(missing));
    std::ranges::set_difference(here, *saved.guest_visible, std::back_inserter(other));
    if (missing.empty()) return {};
    std::string what = fmt::format("device \"{}\": the guest knows its {}, which it does not have here",
                                   saved.id, fmt::join(missing, ", "));
    if (!other.empty()) what += fmt::format("; it has {}", fmt::join(other, ", "));
    return Error{std::move(what), "restore into the machine that was saved"};
}

Result<void> load(Device& device, const DeviceState& saved) {
    if (auto loaded = load_held(device, saved); !loaded) return loaded;
    if (auto loaded = device.load(saved.state); !loaded) return loaded;
    return check_guest_visible(device, saved);
}

// The states by the devices' ids; an error unless each device has one and each state a device.
Result<std::map<std::string_view, const DeviceState*>> match(std::span<const DeviceConfig> devices,
                                                             std::span<const DeviceState> states) {
    std::map<std::string_view, const DeviceState*> by_id;
    for (const DeviceState& saved : states) {
        if (!by_id.emplace(saved.id, &saved).second)
            return Error{fmt::format("device \"{}\" has two states", saved.id)};
        if (std::ranges::find(devices, saved.id, &DeviceConfig::id) == devices.end()) {
            return Error{fmt::format("a state of device \"{}\" was saved, and the machine has no such device",
                                     saved.id),
                         "restore into the machine that was saved"};
        }
    }
    for (const DeviceConfig& config : devices) {
        const auto found = by_id.find(config.id);
        if (found == by_id.end()) {
            return Error{fmt::format("no state of device \"{}\" was saved", config.id),
                         "restore into the machine that was saved"};
        }
        if (found->second->type != config.type) {
            return Error{fmt::format("device \"{}\" is a {}, and the state is one of a {}", config.id,
                                     config.type, found->second->type)};
        }
    }
    return by_id;
}

} // namespace

Result<std::vector<DeviceState>> DeviceManager::hold_and_save(DeviceHold& hold) const {
    if (auto held = hold_all(hold); !held) return std::move(held).error();
    std::vector<DeviceState> states;
    for (const auto& device : devices_) {
        auto saved = save(*device);
        if (!saved) return std::move(saved).error();
        states.push_back(*std::move(saved));
    }
    return states;
}

Result<void> DeviceManager::save_all(const UseStates& between) {
    if (auto allowed = refuse_inside_callback(); !allowed) return allowed;
    DeviceHold hold;
    auto states = hold_and_save(hold);
    return states ? between(*std::move(states)) : std::move(states).error();
}

Result<void> DeviceManager::give_away(const UseStates& between) {
    if (auto allowed = refuse_inside_callback(); !allowed) return allowed;
    auto hold = std::make_unique<DeviceHold>();
    std::vector<std::unique_ptr<SuccessorExpected>> expected; // not any more when the devices run again
    for (const auto& device : devices_) {
        expected.push_back(
            std::make_unique<SuccessorExpected>(device->handover(), SuccessorExpected::Successor::elsewhere));
    }
    auto states = hold_and_save(*hold);
    if (!states) return std::move(states).error();
    if (auto done = between(*std::move(states)); !done) return done;
    for (const auto& device : devices_)
        device->handover()->leave();
    given_away_ = std::move(hold);
    return {};
}

Result<void> DeviceManager::load_all(std::span<const DeviceState> states,
                                     const std::function<Result<void>()>& between) {
    const std::vector<DeviceConfig> present = configs();
    const auto by_id = match(present, states);
    if (!by_id) return by_id.error();
    return save_all([&](const std::vector<DeviceState>& before) -> Result<void> {
        for (std::size_t i = 0; i < devices_.size(); ++i) {
            auto loaded = load(*devices_[i], *by_id->at(devices_[i]->id()));
            if (loaded) continue;
            for (std::size_t back = 0; back <= i; ++back) {
                if (auto done = load(*devices_[back], before[back]); !done)
                    log_for(Subsystem::devices)
                        .error("the state before could not be put back: {}", done.error().text());
            }
            return loaded;
        }
        if (auto done = between(); !done) return done;
        for (const auto& device : devices_) {
            for (const auto& resource : device->resources().all())
                resource->restored();
        }
        return {};
    });
}

Result<void> DeviceManager::restore(std::span<const DeviceConfig> devices,
                                    std::span<const DeviceState> states, const Place& place,
                                    const std::function<Result<void>()>& between, Arriving* arriving) {
    if (auto allowed = refuse_inside_callback(); !allowed) return allowed;
    const auto by_id = match(devices, states);
    if (!by_id) return by_id.error();
    DeviceHold hold;
    Addition addition(*this);
    if (auto done = bring_in(devices, place, hold, arriving); !done) return done;
    for (Device* device : addition.devices()) {
        if (auto loaded = load(*device, *by_id->at(device->id())); !loaded) return loaded;
    }
    if (auto done = between(); !done) return done;
    if (arriving != nullptr) {
        for (Device* device : addition.devices())
            device->handover()->pass_to(device);
    }
    // Backends are ready before what calls them.
    auto backends_first = frontends_first(addition.devices());
    std::ranges::reverse(backends_first);
    for (Device* device : backends_first)
        device->go_on();
    addition.keep();
    announce(devices);
    return {};
}

} // namespace plugbay::core
