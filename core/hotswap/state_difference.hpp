// Two states of a device, field by field.
#pragma once

#include "core/plugin/register_description.hpp"

#include <plugbay/state_image.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

struct StateDifference {
    std::string field; // its name
    std::string text;  // "field interrupt_enable (IER): 5 became 0 (ERBFI 1 became 0, ELSI 1 became 0)"
    bool allowed =
        false; // no loss: an optional field that one of the builds does not know, or another state version
};

// What is in `after`, saved by a build that has loaded `before`, otherwise than in `before`; in the order of its fields.
// `registers` are the device type's, for their names; `became` stands between two values.
[[nodiscard]] std::vector<StateDifference>
state_differences(const StateImage& before, const StateImage& after,
                  const std::vector<RegisterBlockDescription>& registers = {},
                  std::string_view became = " became ");

} // namespace plugbay::core
