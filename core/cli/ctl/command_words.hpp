// From the words that a person writes to a method's params.
#pragma once

#include "core/base/result.hpp"
#include "core/cli/ctl/command_set.hpp"

#include <nlohmann/json.hpp>

#include <span>
#include <string>

namespace plugbay::core::ctl {

struct Invocation {
    const Command* command = nullptr;
    nlohmann::json params = nlohmann::json::object();
    bool json = false; // --json
    bool help = false; // --help: what the command is, in place of doing it
};

// An error names what is wrong with the words and what to write.
[[nodiscard]] Result<Invocation> read_command(const CommandSet& commands, std::span<const std::string> words);

} // namespace plugbay::core::ctl
