// `plugbay restore`.
#pragma once

#include "core/cli/run_command.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace plugbay::core {

struct Manifest;

struct RestoreArguments {
    std::string place;                               // a checkpoint's folder, or where a stream comes from
    std::vector<std::string> overrides = {};         // --set
    std::vector<std::filesystem::path> plugins = {}; // --plugin
    bool accept_changed_disks = false;
    bool accept_other_processor = false;
    bool verify =
        false; // reads all of the memory and compares it with its checksums first; a stream's always is
};

// Makes the machine as it was and runs it to its end. Returns an exit_status. The calling thread becomes the control thread.
[[nodiscard]] int restore_command(const RestoreArguments& arguments, const RunOptions& options);

// The machine of a manifest, which `shown` names in errors; empty: it cannot be made here, which was said.
[[nodiscard]] std::optional<LoadedMachine> load_saved(const Manifest& manifest, const std::string& shown,
                                                      const RestoreArguments& arguments);

} // namespace plugbay::core
