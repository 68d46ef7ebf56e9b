// `plugbay checkpoint`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace plugbay::core {

struct CheckpointArguments {
    std::vector<std::string> names; // the machine, which may be left out, and the folder or where to send it
    std::string contents = {};      // empty: all
    bool incremental = false;
    bool track = false;
    bool replace = false;
    bool checksum_disks = false;
    bool move = false;
    std::optional<std::uint32_t> pause = {}; // milliseconds
    std::optional<std::uint32_t> rounds = {};
    bool json = false;
};

// `plugbay ctl MACHINE checkpoint`, or `checkpoint.send`. Returns an exit_status.
[[nodiscard]] int checkpoint_command(const CheckpointArguments& arguments);

} // namespace plugbay::core
