// The frame of a manifest's text, for its writer and its reader.
#pragma once

#include <string>
#include <string_view>

namespace plugbay::core {

inline constexpr const char* manifest_format_name = "plugbay-checkpoint";

// How a manifest ends whose text up to the last member is `before`: the member "checksum", which covers `before`, and the
// closing brace. Always of the same length.
[[nodiscard]] std::string manifest_ending(std::string_view before);

} // namespace plugbay::core
