#include "core/machine/saved_machine.hpp"

#include "core/base/errno_error.hpp"
#include "core/checkpoint/checkpoint_sink.hpp"
#include "core/checkpoint/folder_files.hpp"
#include "core/config/resolved_machine.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/running_catalog.hpp"

#include <plugbay/abi/interface/blk.h>
#include <plugbay/abi/plugin.h>

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <sys/stat.h>
#include <utility>

namespace plugbay::core {

namespace {

constexpr const char* chips_name = "interrupt-controllers";
constexpr const char* clock_name = "clock";
constexpr const char* processor_name = "processor";

std::string vcpu_name(std::size_t index) {
    return "vcpu" + std::to_string(index);
}

// The regular file of that name, if there is one.
std::optional<HostFile> look_at_file(const std::string& path) {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) return std::nullopt;
    return HostFile{.path = path,
                    .size = static_cast<std::uint64_t>(facts.st_size),
                    .modified = std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec};
}

// Files whose contents the guest takes for its own: those of devices that serve disks.
std::vector<HostFile> disk_files(const MachineConfig& config, const TypeCatalog& catalog) {
    std::vector<HostFile> files;
    for (const DeviceConfig& device : config.devices) {
        const TypeDescription& type = *catalog.find(device.type);
        const bool serves_disk = std::ranges::any_of(type.ports, [](const PortDescription& port) {
            return port.role == PLUGBAY_PORT_BACKEND && port.interface == PLUGBAY_BLK;
        });
        if (!serves_disk) continue;
        for (std::size_t i = 0; i < device.properties.size(); ++i) {
            if (type.properties[i].kind != PLUGBAY_PROPERTY_PATH) continue;
            if (auto file = look_at_file(device.properties[i].text)) files.push_back(*std::move(file));
        }
    }
    return files;
}

Result<std::string> checksum_of_disk(const std::string& path, std::uint64_t size) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!file) return errno_error("cannot read " + path);
    const auto sum = checksum_of_file(file.get(), size, path);
    if (!sum) return sum.error();
    return fmt::format("crc32c:{:08x}", *sum);
}

// Empty: it is what it was.
std::string change_of_disk(const HostFile& before) {
    const auto now = look_at_file(before.path);
    if (!now) return "is not there any more";
    constexpr const char* changed =
        "has changed since: put back the copy that was made with the checkpoint, or say "
        "--accept-changed-disks";
    if (now->size != before.size) return changed;
    if (before.checksum.starts_with("crc32c:")) {
        const auto sum = checksum_of_disk(before.path, before.size);
        if (!sum) return "cannot be compared: " + sum.error().text();
        return *sum == before.checksum ? "" : changed;
    }
    return now->modified == before.modified ? "" : changed;
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
    return {};
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

Result<void> add_disk_checksums(Manifest& manifest) {
    for (HostFile& file : manifest.host_files) {
        auto checksum = checksum_of_disk(file.path, file.size);
        if (!checksum) return std::move(checksum).error();
        file.checksum = *std::move(checksum);
    }
    return {};
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
    if (accept_changed_disks) return obstacles;
    for (const HostFile& before : manifest.host_files) {
        if (const std::string change = change_of_disk(before); !change.empty())
            obstacles.push_back(before.path + ", a disk of the machine, " + change);
    }
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
