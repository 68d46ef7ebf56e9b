#include "core/control/json_schema.hpp"

#include "core/base/nearest_name.hpp"
#include "core/base/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace plugbay::core::schema {

using nlohmann::json;

namespace {

json of_type(std::string_view type, std::string_view help) {
    return {{"type", type}, {"description", help}};
}

// For messages; what comes from a client may be long.
std::string shown(const json& value) {
    constexpr std::size_t most = 60;
    if (value.is_object()) return "an object";
    if (value.is_array()) return "a list";
    std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > most) text = text.substr(0, most) + "...";
    return text;
}

std::size_t characters(const std::string& text) {
    return text.size() - static_cast<std::size_t>(std::ranges::count_if(text, &is_utf8_continuation));
}

bool is_of_type(const json& value, const std::string& type) {
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    if (type == "array") return value.is_array();
    return value.is_object();
}

std::string article(const std::string& type) {
    return (type == "array" || type == "object" || type == "integer" ? "an " : "a ") + type;
}

std::optional<std::string> outside(const json& schema, const json& value, const std::string& name) {
    const auto below = schema.find("minimum");
    const auto above = schema.find("maximum");
    const bool less = below != schema.end() && value < *below;
    const bool huge =
        value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX; // compares as negative
    const bool more = above != schema.end() && (huge || value > *above);
    if (!less && !more) return std::nullopt;
    return fmt::format("{}: expected {} to {}, found {}", name, below->dump(), above->dump(), shown(value));
}

std::optional<std::string> wrong_member(const json& schema, const json& value, const std::string& name) {
    for (const auto& each : schema.value("required", json::array())) {
        if (!value.contains(each)) return fmt::format("{}: \"{}\" is missing", name, each.get<std::string>());
    }
    const json known = schema.value("properties", json::object());
    for (const auto& [key, content] : value.items()) {
        const std::string place = name + "." + key;
        if (const auto found = known.find(key); found != known.end()) {
            if (auto wrong = complaint(*found, content, place)) return wrong;
        } else if (schema["additionalProperties"].is_object()) {
            if (auto wrong = complaint(schema["additionalProperties"], content, place)) return wrong;
        } else {
            std::vector<std::string> names;
            for (const auto& [each, unused] : known.items())
                names.push_back(each);
            const std::string nearest = nearest_name(key, names);
            return fmt::format("{}: there is no {}{}", name, shown(key),
                               nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?");
        }
    }
    return std::nullopt;
}

} // namespace

json text(std::string_view help, std::size_t longest) {
    json schema = of_type("string", help);
    schema["maxLength"] = longest;
    return schema;
}

json choice(std::string_view help, std::initializer_list<std::string_view> choices) {
    json schema = of_type("string", help);
    schema["enum"] = std::vector<std::string>(choices.begin(), choices.end());
    return schema;
}

json boolean(std::string_view help) {
    return of_type("boolean", help);
}

json integer(std::string_view help, std::int64_t least, std::int64_t most) {
    json schema = of_type("integer", help);
    schema["minimum"] = least;
    schema["maximum"] = most;
    return schema;
}

json number(std::string_view help) {
    return of_type("number", help);
}

json list(std::string_view help, json elements) {
    json schema = of_type("array", help);
    schema["items"] = std::move(elements);
    return schema;
}

json map(std::string_view help, json values) {
    json schema = of_type("object", help);
    schema["additionalProperties"] = std::move(values);
    return schema;
}

json anything(std::string_view help) {
    return {{"description", help}};
}

json object(std::string_view help, std::initializer_list<Member> members) {
    json schema = of_type("object", help);
    schema["properties"] = json::object();
    schema["additionalProperties"] = false;
    for (const Member& member : members) {
        schema["properties"][std::string(member.name)] = member.schema;
        if (member.required) schema["required"].push_back(member.name);
    }
    return schema;
}

std::optional<std::string> complaint(const json& schema, const json& value, const std::string& name) {
    const auto type = schema.find("type");
    if (type == schema.end()) return std::nullopt;
    const auto& wanted = type->get_ref<const std::string&>();
    if (!is_of_type(value, wanted))
        return fmt::format("{}: expected {}, found {}", name, article(wanted), shown(value));
    if (const auto choices = schema.find("enum"); choices != schema.end()) {
        if (std::ranges::find(*choices, value) == choices->end())
            return fmt::format("{}: expected one of {}, found {}", name, choices->dump(), shown(value));
    }
    if (value.is_number()) return outside(schema, value, name);
    if (value.is_string()) {
        const auto longest = schema.find("maxLength");
        if (longest == schema.end() ||
            characters(value.get_ref<const std::string&>()) <= longest->get<std::size_t>())
            return std::nullopt;
        return fmt::format("{}: longer than {} characters", name, longest->dump());
    }
    if (value.is_object()) return wrong_member(schema, value, name);
    if (value.is_array()) {
        for (std::size_t i = 0; i < value.size(); ++i) {
            if (auto wrong = complaint(schema["items"], value[i], fmt::format("{}[{}]", name, i)))
                return wrong;
        }
    }
    return std::nullopt;
}

} // namespace plugbay::core::schema
