// For shells: what may stand in the place of a word of plugbay's command line.
#pragma once

#include <CLI/App.hpp>

#include <string>
#include <vector>

namespace plugbay::core {

// `words`: the command line without the program, up to the word that is completed, which may be empty. Nothing where a file's
// name may stand, or nothing is known.
[[nodiscard]] std::vector<std::string> command_completions(const CLI::App& app,
                                                           std::vector<std::string> words);

} // namespace plugbay::core
