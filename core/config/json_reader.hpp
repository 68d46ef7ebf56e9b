// JSON text to a tree that knows its positions. Comments in the style of C++ are allowed, as said below;
// otherwise RFC 8259.
#pragma once

#include "core/config/located_value.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace plugbay::core {

inline constexpr std::size_t maximum_json_size = 16 << 20; // bytes
inline constexpr std::size_t maximum_json_depth = 64;      // arrays and objects inside one another
inline constexpr std::size_t maximum_json_values = 100'000;

struct JsonProblem {
    DiagnosticKind kind = DiagnosticKind::syntax;
    SourcePosition position = {};
    std::string message = {};
    std::string expected = {};
    std::string found = {};
};

// Exactly one of the two is there: the first thing that is wrong ends the reading. Duplicate keys are not
// wrong here; they are marked in the tree.
struct JsonResult {
    std::optional<LocatedValue> root = {};
    std::optional<JsonProblem> problem = {};
};

enum class JsonComments { refused, allowed };

[[nodiscard]] JsonResult read_json(std::string_view text, JsonComments comments);

} // namespace plugbay::core
