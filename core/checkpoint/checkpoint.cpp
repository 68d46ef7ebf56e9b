#include "core/checkpoint/checkpoint.hpp"

#include "core/base/errno_error.hpp"
#include "core/checkpoint/folder_files.hpp"
#include "core/config/json_reader.hpp"

#include <algorithm>
#include <fcntl.h>
#include <new>

namespace plugbay::core {

namespace {

Result<Manifest> read_folder_manifest(int folder, const std::string& shown) {
    const std::string file = shown + '/' + manifest_file;
    auto opened = open_regular(folder, manifest_file, file);
    if (!opened) {
        Error error = std::move(opened).error();
        if (error.hint.empty()) error.hint = "name a folder that \"plugbay checkpoint\" has written";
        return error;
    }
    if (opened->size > maximum_json_size)
        return Error{file + " has " + std::to_string(opened->size) + " bytes; expected at most " +
                         std::to_string(maximum_json_size),
                     "this is no checkpoint's manifest"};
    std::string text(static_cast<std::size_t>(opened->size), '\0');
    if (auto read = read_at(opened->file.get(), std::as_writable_bytes(std::span(text)), 0, file); !read)
        return std::move(read).error();
    return read_manifest(std::move(text), file, ManifestStage::folder);
}

// A file that the manifest promises, of the size that it says.
Result<UniqueFd> open_promised(int folder, const char* name, const Manifest& manifest,
                               const std::string& shown) {
    const std::string file = shown + '/' + name;
    auto opened = open_regular(folder, name, file);
    if (!opened) return std::move(opened).error();
    const std::uint64_t expected = manifest.files.at(name).size;
    if (opened->size != expected)
        return Error{file + " has " + std::to_string(opened->size) + " bytes; expected " +
                         std::to_string(expected) + ", as the manifest says",
                     "the checkpoint is damaged; use another one"};
    return std::move(opened->file);
}

Result<MemoryLayer> open_layer(int folder, const Manifest& manifest, const std::string& shown) {
    MemoryLayer layer{.folder = shown, .id = manifest.id, .memory = *manifest.memory};
    auto file = open_promised(folder, memory_file, manifest, shown);
    if (!file) return std::move(file).error();
    layer.file = *std::move(file);
    auto sums = open_promised(folder, memory_sums_file, manifest, shown);
    if (!sums) return std::move(sums).error();
    layer.sums = *std::move(sums);
    layer.sums_file = manifest.files.at(memory_sums_file);
    if (manifest.memory->kind == LayerKind::full) return layer;
    auto pages = open_promised(folder, memory_pages_file, manifest, shown);
    if (!pages) return std::move(pages).error();
    layer.pages = *std::move(pages);
    layer.pages_file = manifest.files.at(memory_pages_file);
    return layer;
}

// The parent of a checkpoint, in the folder `beside` that both are in.
struct Parent {
    UniqueFd folder;
    Manifest manifest;
};

Result<Parent> open_parent(int beside, const ParentCheckpoint& wanted, std::uint64_t memory_size,
                           const std::string& shown) {
    Parent parent{
        UniqueFd(::openat(beside, wanted.folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)),
        {}};
    if (!parent.folder)
        return errno_error(shown + ", the checkpoint that this one was made on, cannot be opened", errno,
                           "a checkpoint and its parents stay together in one folder, under their names");
    auto manifest = read_folder_manifest(parent.folder.get(), shown);
    if (!manifest) return std::move(manifest).error();
    parent.manifest = *std::move(manifest);
    if (parent.manifest.id != wanted.id)
        return Error{shown + " is not the checkpoint that this one was made on: expected id " + wanted.id +
                         ", found " + parent.manifest.id,
                     "put the right one there"};
    if (!parent.manifest.memory)
        return Error{shown + " holds no memory, but another checkpoint was made on it",
                     "use another checkpoint"};
    if (parent.manifest.memory->size != memory_size)
        return Error{shown + " has a memory of " + std::to_string(parent.manifest.memory->size) +
                         " bytes; the checkpoint that was made on it has " + std::to_string(memory_size),
                     "use another checkpoint"};
    return parent;
}

} // namespace

Result<Checkpoint> Checkpoint::open(const std::filesystem::path& folder) {
    Checkpoint checkpoint;
    checkpoint.path_ = folder;
    checkpoint.folder_ = UniqueFd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!checkpoint.folder_)
        return errno_error(folder.string() + " cannot be opened", errno,
                           "name a folder that \"plugbay checkpoint\" has written");
    auto manifest = read_folder_manifest(checkpoint.folder_.get(), folder.string());
    if (!manifest) return std::move(manifest).error();
    checkpoint.manifest_ = *std::move(manifest);
    if (auto read = checkpoint.read_states(); !read) return std::move(read).error();
    if (auto opened = checkpoint.open_layers(); !opened) return std::move(opened).error();
    return checkpoint;
}

Result<void> Checkpoint::read_states() {
    if (!manifest_.holds_states) return {};
    auto file = open_promised(folder_.get(), state_file, manifest_, path_.string());
    if (!file) return std::move(file).error();
    const std::string shown = path_.string() + '/' + state_file;
    auto states = SavedStates::read(
        manifest_,
        [&](std::span<std::byte> bytes, std::uint64_t offset) {
            return read_at(file->get(), bytes, offset, shown);
        },
        shown);
    if (!states) return std::move(states).error();
    states_ = *std::move(states);
    return {};
}

Result<void> Checkpoint::open_layers() {
    if (!manifest_.memory) return {};
    std::vector<MemoryLayer> layers;
    auto first = open_layer(folder_.get(), manifest_, path_.string());
    if (!first) return std::move(first).error();
    layers.push_back(*std::move(first));
    std::optional<ParentCheckpoint> wanted = manifest_.parent;
    UniqueFd beside;
    if (wanted) {
        beside = UniqueFd(::openat(folder_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!beside) return errno_error("the folder that " + path_.string() + " is in cannot be opened");
    }
    while (wanted) {
        const std::string shown = (path_ / ".." / wanted->folder).lexically_normal().string();
        if (std::ranges::find(layers, wanted->id, &MemoryLayer::id) != layers.end())
            return Error{shown + " stands on itself: its id " + wanted->id + " is in its chain already",
                         "use another checkpoint"};
        if (layers.size() == longest_chain)
            return Error{path_.string() + " stands on more than " + std::to_string(longest_chain - 1) +
                             " checkpoints",
                         "use a checkpoint with a shorter chain"};
        auto parent = open_parent(beside.get(), *wanted, manifest_.memory->size, shown);
        if (!parent) return std::move(parent).error();
        auto layer = open_layer(parent->folder.get(), parent->manifest, shown);
        if (!layer) return std::move(layer).error();
        layer->folder_name = wanted->folder;
        layers.push_back(*std::move(layer));
        wanted = parent->manifest.parent;
    }
    auto memory = MemoryLayers::create(std::move(layers));
    if (!memory) return std::move(memory).error();
    memory_ = *std::move(memory);
    return {};
}

Result<void> Checkpoint::require_states() const {
    if (manifest_.holds_states) return {};
    return Error{path_.string() + " holds no states of devices and vCPUs: it was saved with its memory only",
                 "use a checkpoint that holds both"};
}

Result<void> Checkpoint::require_memory() const {
    if (memory_) return {};
    return Error{path_.string() + " holds no memory: it was saved with the states only",
                 "use a checkpoint that holds both"};
}

} // namespace plugbay::core
