// `plugbay restore` and `plugbay checkpoint`.
#pragma once

#include "core/cli/run_command.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace plugbay::core {

struct RestoreArguments {
    std::filesystem::path folder;
    std::vector<std::string> overrides = {};         // --set
    std::vector<std::filesystem::path> plugins = {}; // --plugin
    bool accept_changed_disks = false;
    bool verify = false; // reads all of the memory and compares it with its checksums first
};

// Makes the machine as it was and runs it to its end. Returns an exit_status. The calling thread becomes the control thread.
[[nodiscard]] int restore_command(const RestoreArguments& arguments, const RunOptions& options);

struct CheckpointArguments {
    std::vector<std::string> names; // the machine, which may be left out, and the folder
    std::string contents = {};      // empty: all
    bool incremental = false;
    bool track = false;
    bool replace = false;
    bool json = false;
};

// `plugbay ctl MACHINE checkpoint`. Returns an exit_status.
[[nodiscard]] int checkpoint_command(const CheckpointArguments& arguments);

} // namespace plugbay::core
