// "plugbay new": a folder with a device that works, to go on from.
#pragma once

#include "core/base/result.hpp"

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace plugbay::core {

struct NewOptions {
    std::string type;
    std::string language = "cpp";
    std::string kind = "mmio";
    std::filesystem::path folder;    // empty: named like the type, here
    std::filesystem::path templates; // empty: those that came with this plugbay
};

// What can be made, as "cpp mmio".
[[nodiscard]] std::vector<std::string> new_combinations();

// Makes the folder, whole or not at all, and says what to do next.
[[nodiscard]] Result<void> new_command(std::ostream& out, const NewOptions& options);

} // namespace plugbay::core
