// "plugbay inspect": what a file is, without running anything of it.
#pragma once

#include <filesystem>
#include <iosfwd>

namespace plugbay::core {

struct InspectOptions {
    std::filesystem::path path; // a plugin, or the folder of a checkpoint
    bool json = false;          // for programs; the keys are part of the command's interface
    bool verify = false;        // of a checkpoint: reads all of the memory and compares it with its checksums
};

// Returns the exit status; a refusal goes to standard error.
[[nodiscard]] int inspect_command(std::ostream& out, const InspectOptions& options);

} // namespace plugbay::core
