// "plugbay inspect": what a file is, without running anything of it.
#pragma once

#include <filesystem>
#include <iosfwd>

namespace plugbay::core {

struct InspectOptions {
    std::filesystem::path path;
    bool json = false; // for programs; the keys are part of the command's interface
};

// Returns the exit status; a refusal goes to standard error.
[[nodiscard]] int inspect_command(std::ostream& out, const InspectOptions& options);

} // namespace plugbay::core
