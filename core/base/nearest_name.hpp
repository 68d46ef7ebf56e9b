// "Did you mean": the valid name that a mistyped one resembles.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace plugbay::core {

// The candidate with the fewest edits (insert, delete, replace, swap neighbours; case counts as no edit) from
// `name`, the first of equals; else the first that `name` is the beginning of. Empty when none can have been
// meant.
[[nodiscard]] std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

} // namespace plugbay::core
