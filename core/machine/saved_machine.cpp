#include "core/machine/saved_machine.hpp"

#include "core/checkpoint/checkpoint_sink.hpp"
#include "core/config/resolved_machine.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/running_catalog.hpp"
#include "core/machine/saved_disks.hpp"
#include "core/machine/saved_entry.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <utility>

namespace plugbay::core {

namespace {

constexpr const char* chips_name = "interrupt-controllers";
constexpr const char* clock_name = "clock";
constexpr const char* processor_name = "processor";

std::string vcpu_name(std::size_t index) {
    return "vcpu" + std::to_string(index);
}

Result<StatePlace> add(CheckpointSink& sink, const std::vector<std::byte>& bytes) {
    std::string why;
    const auto image = StateImage::parse(bytes, why);
    if (!image) return Error{why};
    return sink.add_state(*image);
}

Result<void> add_named(CheckpointSink& sink, Manifest& manifest, std::string name,
                       const std::vector<std::byte>& bytes) {
    auto place = add(sink, bytes);
    if (!place) return with_context(name, std::move(place).error());
    manifest.states.push_back({.name = std::move(name), .place = *std::move(place)});
    return {};
}

Result<void> add_device(CheckpointSink& sink, SavedDevice& saved, const DeviceState& device) {
    auto place = add(sink, device.state);
    if (!place) return with_context("device \"" + device.id + "\"", std::move(place).error());
    saved.state = *std::move(place);
    for (const DeviceState::Held& held : device.held) {
        auto held_place = add(sink, held.state);
        if (!held_place) return with_context("device \"" + device.id + "\"", std::move(held_place).error());
        saved.resources.push_back({.name = held.name, .place = *std::move(held_place)});
    }
    saved.guest_visible = device.guest_visible;
    return {};
}

// The frontend that the device is connected to, as a machine file names it; "" for none.
std::string frontend_in(const nlohmann::ordered_json& machine, const std::string& id) {
    const auto* const entry = saved_entry(machine, id);
    if (entry == nullptr) return {};
    const auto frontend = entry->find("frontend");
    return frontend == entry->end() ? std::string() : text_in(*frontend, "id");
}

} // namespace

MachineConfig config_of(Machine& machine) {
    MachineConfig config = machine.config();
    config.devices = machine.devices().configs();
    return config;
}

Manifest manifest_of(Machine& machine, const MasterDeviceTable& device_types) {
    const MachineConfig config = config_of(machine);
    const RunningCatalog catalog(device_types, machine.devices());
    Manifest manifest;
    manifest.machine = resolved_machine(config, catalog);
    manifest.vcpus = config.cpus;
    manifest.host_files = disk_files(config, catalog);
    for (const auto& device : machine.devices().devices()) {
        SavedDevice& saved = manifest.devices.emplace_back();
        saved.id = device->id();
        saved.type = device->type().name;
        if (device->plugin() == nullptr) continue;
        const PluginDescription& plugin = device->plugin()->description();
        saved.plugin = plugin.name;
        saved.plugin_version = plugin.version;
        saved.build_id = device->plugin()->build_id();
        saved.abi_major = plugin.abi_major;
        saved.abi_minor = plugin.abi_minor;
    }
    return manifest;
}

Result<void> add_states(CheckpointSink& sink, Manifest& manifest, const MachineState& state) {
    // Both have all devices, oldest first.
    for (std::size_t i = 0; i < state.devices.size(); ++i) {
        if (auto done = add_device(sink, manifest.devices[i], state.devices[i]); !done) return done;
    }
    for (std::size_t i = 0; i < state.vcpus.size(); ++i) {
        if (auto done = add_named(sink, manifest, vcpu_name(i), state.vcpus[i]); !done) return done;
    }
    if (auto done = add_named(sink, manifest, chips_name, state.chips); !done) return done;
    if (auto done = add_named(sink, manifest, clock_name, state.clock); !done) return done;
    return add_named(sink, manifest, processor_name, state.processor);
}

std::vector<std::string> find_obstacles(const Manifest& manifest, const MachineConfig& config,
                                        const TypeCatalog& catalog, bool accept_changed_disks) {
    std::vector<std::string> obstacles;
    if (manifest.vcpus != config.cpus)
        obstacles.push_back(
            fmt::format("{} vCPUs were saved, and the machine has {}", manifest.vcpus, config.cpus));
    if (manifest.memory && manifest.memory->size != config.memory) {
        obstacles.push_back(fmt::format("{} bytes of memory were saved, and the machine has {}",
                                        manifest.memory->size, config.memory));
    }
    const auto machine = resolved_machine(config, catalog);
    for (const SavedDevice& saved : manifest.devices) {
        const auto device = std::ranges::find(config.devices, saved.id, &DeviceConfig::id);
        if (device == config.devices.end()) {
            obstacles.push_back(fmt::format("device \"{}\" was saved, and the machine has none", saved.id));
            continue;
        }
        if (device->type != saved.type) {
            obstacles.push_back(
                fmt::format("device \"{}\" was a {}, and is a {} now", saved.id, saved.type, device->type));
            continue;
        }
        const auto before = frontend_in(manifest.machine, saved.id), now = frontend_in(machine, saved.id);
        if (before != now) {
            const auto named = [](const std::string& frontend) {
                return frontend.empty() ? "nothing" : '"' + frontend + '"';
            };
            obstacles.push_back(fmt::format("device \"{}\" was connected to {}, and is to {} now", saved.id,
                                            named(before), named(now)));
        }
        const TypeDescription& type = *catalog.find(device->type);
        if (!saved.state) continue;
        const std::uint32_t version = saved.state->version;
        if (version >= type.state_version_oldest && version <= type.state_version) continue;
        obstacles.push_back(
            fmt::format("device \"{}\": plugin {} {} saved its state in version {}, and the build "
                        "that is here reads {} to {}",
                        saved.id, saved.plugin, saved.plugin_version, version, type.state_version_oldest,
                        type.state_version));
    }
    for (const DeviceConfig& device : config.devices) {
        if (std::ranges::find(manifest.devices, device.id, &SavedDevice::id) == manifest.devices.end())
            obstacles.push_back(
                fmt::format("the machine has a device \"{}\", and none was saved", device.id));
    }
    auto changed = find_changed_disks(manifest, config, catalog, accept_changed_disks);
    std::ranges::move(changed, std::back_inserter(obstacles));
    return obstacles;
}

Result<MachineState> state_of(const Manifest& manifest, const SavedStates& states) {
    MachineState state;
    for (const SavedDevice& saved : manifest.devices) {
        DeviceState device{
            .id = saved.id, .type = saved.type, .plugin = saved.plugin, .version = saved.plugin_version};
        const StateImage* const image = states.device(saved.id);
        if (image == nullptr) return Error{"no state of device \"" + saved.id + "\" was saved"};
        device.state = image->bytes();
        for (const NamedState& resource : saved.resources) {
            device.held.push_back(
                {.name = resource.name, .state = states.resource(saved.id, resource.name)->bytes()});
        }
        device.guest_visible = saved.guest_visible;
        state.devices.push_back(std::move(device));
    }
    const auto take = [&](const std::string& name, std::vector<std::byte>& to) -> Result<void> {
        const StateImage* const image = states.named(name);
        if (image == nullptr) {
            return Error{"no state \"" + name + "\" was saved", "it was not written by `plugbay checkpoint`"};
        }
        to = image->bytes();
        return {};
    };
    for (std::uint32_t i = 0; i < manifest.vcpus; ++i) {
        if (auto done = take(vcpu_name(i), state.vcpus.emplace_back()); !done) return std::move(done).error();
    }
    if (auto done = take(chips_name, state.chips); !done) return std::move(done).error();
    if (auto done = take(clock_name, state.clock); !done) return std::move(done).error();
    if (auto done = take(processor_name, state.processor); !done) return std::move(done).error();
    return state;
}

} // namespace plugbay::core
