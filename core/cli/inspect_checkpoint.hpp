// What is in a checkpoint, for people and for programs: its manifest, and every field of every state.
#pragma once

#include "core/base/result.hpp"

#include <filesystem>
#include <iosfwd>

namespace plugbay::core {

struct InspectCheckpointOptions {
    bool json = false;   // for programs; the keys are part of the command's interface
    bool verify = false; // reads all of the memory and compares it with its checksums
};

// An error when the folder is no whole checkpoint; nothing is printed then.
[[nodiscard]] Result<void> inspect_checkpoint(std::ostream& out, const std::filesystem::path& folder,
                                              const InspectCheckpointOptions& options);

} // namespace plugbay::core
