#include "core/checkpoint/checkpoint_writer.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/machine_limits.hpp"
#include "core/checkpoint/folder_files.hpp"
#include "core/checkpoint/origin.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>

namespace plugbay::core {

namespace {

bool is_same(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// The name that `parent` has in the folder `beside`; "": it is not there.
std::string name_beside(const Checkpoint& parent, int beside) {
    std::error_code failed;
    const auto real = std::filesystem::canonical(parent.folder(), failed);
    std::string name = failed ? std::string() : real.filename().string();
    struct stat opened {};
    struct stat named {};
    const bool found = is_folder_name(name) && ::fstat(parent.folder_file(), &opened) == 0 &&
                       ::fstatat(beside, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
                       is_same(opened, named);
    return found ? name : std::string();
}

Error states_only(const char* what) {
    return Error{std::string(what) + " is given to a checkpoint that holds none"};
}

} // namespace

Result<std::unique_ptr<CheckpointWriter>> CheckpointWriter::create(const std::filesystem::path& folder,
                                                                   const CheckpointOptions& options) {
    if (!options.states && !options.memory_size)
        return Error{"a checkpoint without states and memory holds nothing",
                     "choose one of the two, or both"};
    if (options.memory_size &&
        (*options.memory_size < min_guest_memory || *options.memory_size > max_guest_memory ||
         *options.memory_size % checkpoint_page_size != 0))
        return Error{"a memory of " + std::to_string(*options.memory_size) + " bytes cannot be saved"};
    auto draft = FolderDraft::create(folder, options.replace);
    if (!draft) return std::move(draft).error();
    auto id = new_checkpoint_id();
    if (!id) return std::move(id).error();
    std::unique_ptr<CheckpointWriter> writer(new CheckpointWriter(*std::move(draft), folder.string()));
    writer->id_ = *std::move(id);
    const int place = writer->draft_.folder();
    if (options.parent != nullptr) {
        if (auto taken = writer->take_parent(*options.parent, options.memory_size.value_or(0)); !taken)
            return std::move(taken).error();
    }
    if (options.memory_size) {
        auto memory = MemoryFile::create(place, writer->shown_, *options.memory_size,
                                         writer->parent_ ? LayerKind::incremental : LayerKind::full);
        if (!memory) return std::move(memory).error();
        writer->memory_.emplace(*std::move(memory));
    }
    if (options.states) {
        auto states = make_file(place, state_file, writer->shown_ + '/' + state_file);
        if (!states) return std::move(states).error();
        writer->states_ = *std::move(states);
    }
    return writer;
}

Result<void> CheckpointWriter::take_parent(const Checkpoint& parent, std::uint64_t memory_size) {
    const std::string shown = parent.folder().string();
    if (auto held = parent.require_memory(); !held) return held;
    if (parent.memory()->size() != memory_size)
        return Error{shown + " has a memory of " + std::to_string(parent.memory()->size()) +
                         " bytes, the machine " + std::to_string(memory_size),
                     "take a full checkpoint"};
    const auto& layers = parent.memory()->layers();
    if (layers.size() == longest_chain)
        return Error{shown + " stands on " + std::to_string(longest_chain - 1) +
                         " others, the most that are allowed",
                     "take a full checkpoint"};
    ParentCheckpoint named{parent.manifest().id, name_beside(parent, draft_.beside())};
    if (named.folder.empty())
        return Error{shown + " is not in the same folder as " + shown_,
                     "a checkpoint and those that it stands on are kept together"};
    const bool replaces_older = std::ranges::any_of(
        layers, [this](const MemoryLayer& layer) { return layer.folder_name == draft_.name(); });
    if (named.folder == draft_.name() || replaces_older)
        return Error{shown_ + " cannot be replaced by a checkpoint that stands on it", "choose another name"};
    parent_ = std::move(named);
    return {};
}

Result<void> CheckpointWriter::write_pages(std::uint64_t offset, std::span<const std::byte> bytes) {
    return memory_ ? memory_->write_pages(offset, bytes) : states_only("memory");
}

Result<void> CheckpointWriter::write_zeros(std::uint64_t offset, std::uint64_t length) {
    return memory_ ? memory_->write_zeros(offset, length) : states_only("memory");
}

Result<StatePlace> CheckpointWriter::add_state(const StateImage& image) {
    if (!states_) return states_only("a state");
    auto place = placer_.place(image);
    if (!place) return place;
    if (auto written = write_at(states_.get(), image.bytes(), place->offset, shown_ + '/' + state_file);
        !written)
        return std::move(written).error();
    return place;
}

Result<void> CheckpointWriter::finish_states(Manifest& manifest) {
    manifest.holds_states = static_cast<bool>(states_);
    if (!states_) return {};
    const std::string shown = shown_ + '/' + state_file;
    if (auto done = make_durable(states_.get(), shown); !done) return done;
    manifest.files[state_file] = {.size = placer_.end()};
    return {};
}

Result<void> CheckpointWriter::write_manifest(const Manifest& manifest) {
    const std::string shown = shown_ + '/' + manifest_file;
    auto text = manifest_text(manifest, ManifestStage::folder);
    if (!text) return std::move(text).error();
    // What could not be read again is not written.
    if (auto read = read_manifest(*text, shown, ManifestStage::folder); !read) return std::move(read).error();
    const auto file = make_file(draft_.folder(), manifest_file, shown);
    if (!file) return file.error();
    if (auto done = write_at(file->get(), std::as_bytes(std::span(*text)), 0, shown); !done) return done;
    return make_durable(file->get(), shown);
}

Result<void> CheckpointWriter::finish(Manifest manifest) {
    fill_origin(manifest, id_);
    manifest.parent = parent_;
    if (auto done = finish_states(manifest); !done) return done;
    if (memory_) {
        auto saved = memory_->finish(manifest.files);
        if (!saved) return std::move(saved).error();
        manifest.memory = *saved;
        pages_stored_ = saved->stored;
    }
    if (auto done = write_manifest(manifest); !done) return done;
    return draft_.publish();
}

} // namespace plugbay::core
