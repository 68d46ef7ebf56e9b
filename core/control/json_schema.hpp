// What a method of the control socket takes and gives, written in JSON Schema (draft 2020-12; only the words below), so that
// it can be checked, listed and turned into a document. Pure.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core::schema {

// Each with one sentence about what it is.
[[nodiscard]] nlohmann::json text(std::string_view help, std::size_t longest = 4096); // length in characters
[[nodiscard]] nlohmann::json choice(std::string_view help, std::initializer_list<std::string_view> choices);
[[nodiscard]] nlohmann::json boolean(std::string_view help);
[[nodiscard]] nlohmann::json integer(std::string_view help, std::int64_t least = 0,
                                     std::int64_t most = INT64_MAX);
[[nodiscard]] nlohmann::json number(std::string_view help);
[[nodiscard]] nlohmann::json list(std::string_view help, nlohmann::json elements);
// Members of any name, all alike.
[[nodiscard]] nlohmann::json map(std::string_view help, nlohmann::json values);
// A value that something else checks.
[[nodiscard]] nlohmann::json anything(std::string_view help);

struct Member {
    std::string_view name;
    nlohmann::json schema;
    bool required = true;
};
[[nodiscard]] inline Member optional(std::string_view name, nlohmann::json schema) {
    return {name, std::move(schema), false};
}
// No member but these.
[[nodiscard]] nlohmann::json object(std::string_view help, std::initializer_list<Member> members);

// Why `value` is not what `schema` describes: "params.id: expected a string, found 7"; nothing when it is.
[[nodiscard]] std::optional<std::string> complaint(const nlohmann::json& schema, const nlohmann::json& value,
                                                   const std::string& name);

} // namespace plugbay::core::schema
