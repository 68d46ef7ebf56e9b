#include "core/machine/machine_checkpoint.hpp"

#include "core/checkpoint/checkpoint_writer.hpp"
#include "core/checkpoint/save_memory.hpp"
#include "core/config/resolved_machine.hpp"
#include "core/io/io_loop.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/running_catalog.hpp"

#include <plugbay/abi/interface/blk.h>
#include <plugbay/abi/plugin.h>

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
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

MachineConfig config_of(Machine& machine) {
    MachineConfig config = machine.config();
    config.devices = machine.devices().configs();
    return config;
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

Result<void> add_device(CheckpointSink& sink, Manifest& manifest, const DeviceState& device) {
    SavedDevice saved{.id = device.id,
                      .type = device.type,
                      .plugin = device.plugin,
                      .plugin_version = device.version,
                      .build_id = device.build_id,
                      .abi_major = device.abi_major,
                      .abi_minor = device.abi_minor};
    auto place = add(sink, device.state);
    if (!place) return with_context("device \"" + device.id + "\"", std::move(place).error());
    saved.state = *std::move(place);
    for (const DeviceState::Held& held : device.held) {
        auto held_place = add(sink, held.state);
        if (!held_place) return with_context("device \"" + device.id + "\"", std::move(held_place).error());
        saved.resources.push_back({.name = held.name, .place = *std::move(held_place)});
    }
    manifest.devices.push_back(std::move(saved));
    return {};
}

Result<void> add_states(CheckpointSink& sink, Manifest& manifest, const MachineState& state) {
    for (const DeviceState& device : state.devices) {
        if (auto done = add_device(sink, manifest, device); !done) return done;
    }
    for (std::size_t i = 0; i < state.vcpus.size(); ++i) {
        if (auto done = add_named(sink, manifest, vcpu_name(i), state.vcpus[i]); !done) return done;
    }
    if (auto done = add_named(sink, manifest, chips_name, state.chips); !done) return done;
    if (auto done = add_named(sink, manifest, clock_name, state.clock); !done) return done;
    return add_named(sink, manifest, processor_name, state.processor);
}

} // namespace

// The folder of the base is looked at again: somebody may have replaced it.
Result<Checkpoint> MachineCheckpoints::open_base(const CheckpointRequest& request) const {
    if (!base_) {
        return Error{"there is no checkpoint since which the machine's writes to memory were tracked",
                     "make one with \"track\" first"};
    }
    if (base_->folder.parent_path() != request.folder.parent_path()) {
        return Error{fmt::format("the last checkpoint is {}, and an incremental one has to be beside it",
                                 base_->folder.string()),
                     "choose a folder in " + base_->folder.parent_path().string()};
    }
    auto base = Checkpoint::open(base_->folder);
    if (!base) return base;
    if (base->manifest().id != base_->id) {
        return Error{base_->folder.string() + " is not the last checkpoint of this machine any more",
                     "make one with \"track\", which is complete"};
    }
    return base;
}

Result<CheckpointReport> MachineCheckpoints::write(const CheckpointRequest& request) {
    auto report = attempt(request);
    if (!report && !taken_.empty()) machine_.put_back_written_pages(std::move(taken_));
    taken_.clear();
    return report;
}

Result<CheckpointReport> MachineCheckpoints::attempt(const CheckpointRequest& request) {
    using Contents = CheckpointRequest::Contents;
    const bool with_states = request.contents != Contents::memory;
    const bool with_memory = request.contents != Contents::devices;
    if (request.incremental && !with_memory)
        return Error{"a checkpoint without memory cannot be incremental", "leave out one of the two"};
    std::optional<Checkpoint> base;
    if (request.incremental) {
        auto opened = open_base(request);
        if (!opened) return std::move(opened).error();
        base = *std::move(opened);
    }
    CheckpointOptions options{.states = with_states, .replace = request.replace};
    if (with_memory) options.memory_size = machine_.memory().size();
    if (base) options.parent = &*base;
    auto writer = CheckpointWriter::create(request.folder, options);
    if (!writer) return std::move(writer).error();
    base.reset(); // its files need not stay open

    const bool was_paused = machine_.paused();
    const std::uint64_t begun = IoLoop::now();
    const bool track = with_memory && (request.track || request.incremental);
    Manifest manifest;
    const auto save = [&](const MachineState& state) -> Result<void> {
        const MachineConfig config = config_of(machine_);
        const RunningCatalog catalog(device_types_, machine_.devices());
        manifest.machine = resolved_machine(config, catalog);
        manifest.vcpus = config.cpus;
        manifest.host_files = disk_files(config, catalog);
        if (request.incremental) {
            auto pages = machine_.take_written_pages();
            if (!pages) return std::move(pages).error();
            taken_ = *std::move(pages);
            if (auto done = save_pages(machine_.memory(), taken_, **writer); !done) return done;
        } else if (with_memory) {
            // From here on writes are the next one's.
            if (auto done = machine_.track_memory(track); !done) return done;
            base_.reset();
            if (auto done = save_memory(machine_.memory(), **writer); !done) return done;
        }
        return with_states ? add_states(**writer, manifest, state) : Result<void>();
    };
    if (auto saved = machine_.save(save); !saved) return std::move(saved).error();
    const std::uint64_t pause = was_paused ? 0 : IoLoop::now() - begun;
    if (auto done = (*writer)->finish(std::move(manifest)); !done) return std::move(done).error();
    if (track) base_ = Base{.id = (*writer)->id(), .folder = request.folder};
    return CheckpointReport{
        .id = (*writer)->id(), .folder = request.folder, .pages = (*writer)->pages_stored(), .pause = pause};
}

std::vector<std::string> find_obstacles(const Checkpoint& checkpoint, const MachineConfig& config,
                                        const TypeCatalog& catalog, bool accept_changed_disks) {
    const Manifest& manifest = checkpoint.manifest();
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
        const auto now = look_at_file(before.path);
        if (!now) {
            obstacles.push_back(before.path + ", a disk of the machine, is not there any more");
        } else if (now->size != before.size || now->modified != before.modified) {
            obstacles.push_back(before.path +
                                ", a disk of the machine, has changed since: put back the copy that was "
                                "made with the checkpoint, or say --accept-changed-disks");
        }
    }
    return obstacles;
}

Result<MachineState> state_of(const Checkpoint& checkpoint) {
    if (auto there = checkpoint.require_states(); !there) return std::move(there).error();
    const Manifest& manifest = checkpoint.manifest();
    MachineState state;
    for (const SavedDevice& saved : manifest.devices) {
        DeviceState device{.id = saved.id,
                           .type = saved.type,
                           .plugin = saved.plugin,
                           .version = saved.plugin_version,
                           .build_id = saved.build_id,
                           .abi_major = saved.abi_major,
                           .abi_minor = saved.abi_minor};
        const StateImage* const image = checkpoint.states().device(saved.id);
        if (image == nullptr) return Error{"no state of device \"" + saved.id + "\" was saved"};
        device.state = image->bytes();
        for (const NamedState& resource : saved.resources) {
            device.held.push_back({.name = resource.name,
                                   .state = checkpoint.states().resource(saved.id, resource.name)->bytes()});
        }
        state.devices.push_back(std::move(device));
    }
    const auto take = [&](const std::string& name, std::vector<std::byte>& to) -> Result<void> {
        const StateImage* const image = checkpoint.states().named(name);
        if (image == nullptr) {
            return Error{checkpoint.folder().string() + " has no state \"" + name + "\"",
                         "it was not written by `plugbay checkpoint`"};
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

namespace {

Result<std::vector<MemoryPart>> parts_of(const MemoryLayers& layers) {
    std::vector<MemoryPart> parts;
    auto done = layers.for_each_run([&](const MemoryRun& run) -> Result<void> {
        if (run.file < 0) return {}; // zeros
        parts.push_back(
            {.file = run.file, .file_offset = run.offset, .memory_offset = run.offset, .length = run.length});
        return {};
    });
    if (!done) return std::move(done).error();
    return parts;
}

} // namespace

Result<std::unique_ptr<GuestMemory>> memory_of(const Checkpoint& checkpoint) {
    if (auto there = checkpoint.require_memory(); !there) return std::move(there).error();
    const MemoryLayers& layers = *checkpoint.memory();
    if (layers.layers().size() == 1) { // holes of a file read as zeros
        const MemoryPart whole{.file = layers.layers().front().file.get(),
                               .file_offset = 0,
                               .memory_offset = 0,
                               .length = layers.size()};
        return GuestMemory::create(layers.size(), {&whole, 1});
    }
    auto parts = parts_of(layers);
    if (!parts) return std::move(parts).error();
    return GuestMemory::create(layers.size(), *parts);
}

Result<void> go_back_to(Machine& machine, const Checkpoint& checkpoint, const MasterDeviceTable& device_types,
                        bool accept_changed_disks) {
    if (auto there = checkpoint.require_memory(); !there) return there;
    const auto state = state_of(checkpoint);
    if (!state) return state.error();
    const auto obstacles =
        find_obstacles(checkpoint, config_of(machine), RunningCatalog(device_types, machine.devices()),
                       accept_changed_disks);
    if (!obstacles.empty())
        return Error{fmt::format("{}", fmt::join(obstacles, "; ")), "nothing was changed"};
    if (auto whole = checkpoint.memory()->verify(); !whole) return whole;
    const auto parts = parts_of(*checkpoint.memory());
    if (!parts) return parts.error();
    return machine.load(*state, [&](const GuestMemory& memory) { return memory.replace(*parts); });
}

} // namespace plugbay::core
