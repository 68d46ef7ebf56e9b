// What `plugbay top` shows, from two answers of the methods `machine.status` and `stats`. Pure; trusts neither.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace plugbay::core {

struct TopSample {
    nlohmann::json status;
    nlohmann::json stats;
};

// The lines of one picture, printable, as long as they come. Rates are those between the samples; where there was none
// before, those since the machine was made.
[[nodiscard]] std::vector<std::string> top_lines(const TopSample& before, const TopSample& now);

} // namespace plugbay::core
