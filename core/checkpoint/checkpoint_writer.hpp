// A checkpoint into a folder.
//
//     auto writer = CheckpointWriter::create(folder, {.memory_size = memory.size()});
//     save_memory(memory, *writer);                       // or save_pages: those that changed
//     manifest.devices[i].state = *writer->add_state(image);
//     writer->finish(manifest);                           // now, and not before, the folder is there
#pragma once

#include "core/checkpoint/checkpoint.hpp"
#include "core/checkpoint/checkpoint_sink.hpp"
#include "core/checkpoint/folder_draft.hpp"
#include "core/checkpoint/memory_file.hpp"

#include <filesystem>
#include <memory>
#include <optional>

namespace plugbay::core {

struct CheckpointOptions {
    bool states = true;                            // whether add_state() will be called
    std::optional<std::uint64_t> memory_size = {}; // none: without memory
    // What the memory was when this was written, but for the pages that are given to write_pages() and write_zeros(). It is
    // in the same folder and stays. Not used after create().
    const Checkpoint* parent = nullptr;
    bool replace = false; // a checkpoint of that name, if there is one
};

class CheckpointWriter final : public CheckpointSink {
  public:
    // Refuses now what can be refused now, before a machine is stopped for it.
    [[nodiscard]] static Result<std::unique_ptr<CheckpointWriter>> create(const std::filesystem::path& folder,
                                                                          const CheckpointOptions& options);

    [[nodiscard]] const std::string& id() const { return id_; }
    [[nodiscard]] std::uint64_t pages_stored() const { return pages_stored_; } // after finish()

    Result<void> write_pages(std::uint64_t offset, std::span<const std::byte> bytes) override;
    Result<void> write_zeros(std::uint64_t offset, std::uint64_t length) override;
    Result<StatePlace> add_state(const StateImage& image) override;
    Result<void> finish(Manifest manifest) override;

  private:
    CheckpointWriter(FolderDraft draft, std::string shown)
        : draft_(std::move(draft)), shown_(std::move(shown)) {}
    Result<void> take_parent(const Checkpoint& parent, std::uint64_t memory_size);
    Result<void> finish_states(Manifest& manifest);
    Result<void> write_manifest(const Manifest& manifest);

    FolderDraft draft_;
    std::string shown_;
    std::string id_;
    std::uint64_t pages_stored_ = 0;
    std::optional<ParentCheckpoint> parent_;
    std::optional<MemoryFile> memory_;
    UniqueFd states_; // empty: the checkpoint has none
    StatePlacer placer_;
};

} // namespace plugbay::core
