// A checkpoint's folder, opened and checked: everything but the contents of the memory, which is not read.
//
// Its files stay open, so a checkpoint that is replaced or removed meanwhile is still there for who has it open. One whose
// files are written to is not: who maps them then sees the change.
#pragma once

#include "core/base/result.hpp"
#include "core/checkpoint/manifest.hpp"
#include "core/checkpoint/memory_layers.hpp"
#include "core/checkpoint/saved_states.hpp"

#include <plugbay/unique_fd.hpp>

#include <filesystem>
#include <optional>

namespace plugbay::core {

class Checkpoint {
  public:
    // Follows the chain of parents, which are folders beside this one. What the folder and its parents hold may be anything.
    [[nodiscard]] static Result<Checkpoint> open(const std::filesystem::path& folder);

    [[nodiscard]] const Manifest& manifest() const { return manifest_; }
    [[nodiscard]] const SavedStates& states() const { return states_; } // none, if it holds none
    [[nodiscard]] const MemoryLayers* memory() const { return memory_ ? &*memory_ : nullptr; }
    [[nodiscard]] const std::filesystem::path& folder() const { return path_; }
    [[nodiscard]] int folder_file() const { return folder_.get(); }

    // For who needs them: an error that says what the checkpoint lacks.
    [[nodiscard]] Result<void> require_states() const;
    [[nodiscard]] Result<void> require_memory() const;

  private:
    Checkpoint() = default;
    Result<void> read_states();
    Result<void> open_layers();

    std::filesystem::path path_;
    UniqueFd folder_;
    Manifest manifest_;
    SavedStates states_;
    std::optional<MemoryLayers> memory_;
};

} // namespace plugbay::core
