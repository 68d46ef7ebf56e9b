#include "core/machine/machine_checkpoint.hpp"

#include "core/checkpoint/checkpoint_writer.hpp"
#include "core/checkpoint/save_memory.hpp"
#include "core/io/io_loop.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/running_catalog.hpp"
#include "core/machine/saved_disks.hpp"
#include "core/machine/saved_machine.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

namespace plugbay::core {

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
        manifest = manifest_of(machine_, device_types_);
        if (request.checksum_disks) {
            if (auto done = add_disk_checksums(manifest); !done) return done;
        }
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
    if (auto there = checkpoint.require_states(); !there) return there;
    const auto state = state_of(checkpoint.manifest(), checkpoint.states());
    if (!state) return state.error();
    const auto obstacles =
        find_obstacles(checkpoint.manifest(), config_of(machine),
                       RunningCatalog(device_types, machine.devices()), accept_changed_disks);
    if (!obstacles.empty())
        return Error{fmt::format("{}", fmt::join(obstacles, "; ")), "nothing was changed"};
    if (auto whole = checkpoint.memory()->verify(); !whole) return whole;
    const auto parts = parts_of(*checkpoint.memory());
    if (!parts) return parts.error();
    return machine.load(*state, [&](const GuestMemory& memory) { return memory.replace(*parts); });
}

} // namespace plugbay::core
