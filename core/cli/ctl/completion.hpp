// What may come next in a command line of `plugbay ctl`, for its prompt and for shells.
#pragma once

#include "core/cli/ctl/command_set.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {
class ControlClient;
}

namespace plugbay::core::ctl {

// What there is of a kind that a parameter's "x-completes" names.
using FindValues = std::function<std::vector<std::string>(const std::string& kind)>;

// The words that may stand in the place of `begun`, the beginning of a word that comes after `words`. Sorted.
[[nodiscard]] std::vector<std::string> completions(const CommandSet& commands,
                                                   std::span<const std::string> words, std::string_view begun,
                                                   const FindValues& find_values);

// Asks the machine, which has a second to answer: "devices", "ports", "frontends", "backends". Nothing if it does not know.
[[nodiscard]] std::vector<std::string> values_of(ControlClient& client, const std::string& kind);

} // namespace plugbay::core::ctl
