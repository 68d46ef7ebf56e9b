#include "core/control/method.hpp"

#include "core/base/nearest_name.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace plugbay::core {

using nlohmann::json;

namespace {

// "string, one of `a`, `b`", "integer, 0 to 15", "list of object".
std::string type_text(const json& schema) {
    if (!schema.contains("type")) return "any";
    auto type = schema["type"].get<std::string>();
    if (schema.contains("enum")) {
        std::string choices;
        for (const auto& each : schema["enum"])
            choices += (choices.empty() ? "`" : ", `") + each.get<std::string>() + "`";
        return "one of " + choices;
    }
    if (type == "array") return "list of " + type_text(schema["items"]);
    if (type == "integer") {
        const bool unbounded = schema["maximum"] == INT64_MAX;
        return fmt::format("integer, {}{}", unbounded ? "at least " : "", schema["minimum"].dump()) +
               (unbounded ? "" : " to " + schema["maximum"].dump());
    }
    return type;
}

// The rows of an object's members, those of objects inside it below it.
void add_rows(std::string& out, const json& schema, const std::string& prefix) {
    const json required = schema.value("required", json::array());
    const json members = schema.value("properties", json::object());
    for (const auto& [name, member] : members.items()) {
        const bool must = std::ranges::find(required, json(name)) != required.end();
        out += fmt::format("| `{}{}` | {} | {} | {} |\n", prefix, name, type_text(member),
                           must ? "yes" : "no", member["description"].get<std::string>());
        add_rows(out, member, prefix + name + ".");
        if (member.contains("items")) add_rows(out, member["items"], prefix + name + "[].");
    }
}

std::string table_of(const json& schema, std::string_view title, std::string_view last_column) {
    std::string rows;
    add_rows(rows, schema, schema.contains("items") ? "[]." : "");
    if (schema.contains("items")) add_rows(rows, schema["items"], "[].");
    if (rows.empty()) return {};
    return fmt::format("| {} | type | {} | meaning |\n|---|---|---|---|\n{}\n", title, last_column, rows);
}

json described(const std::string& name, const std::string& help, const json& params) {
    return {{"name", name}, {"help", help}, {"params", params}};
}

} // namespace

void MethodTable::add(Method method) {
    methods_.insert_or_assign(method.name, std::move(method));
}

void MethodTable::add(EventKind event) {
    events_.push_back(std::move(event));
}

const Method* MethodTable::find(std::string_view name) const {
    const auto found = methods_.find(name);
    return found != methods_.end() ? &found->second : nullptr;
}

std::string MethodTable::nearest(std::string_view name) const {
    std::vector<std::string> names;
    for (const auto& [each, method] : methods_)
        names.push_back(each);
    return nearest_name(std::string(name.substr(0, 100)), names);
}

json description_of(const MethodTable& table) {
    json methods = json::array();
    for (const auto& [name, method] : table.methods()) {
        methods.push_back(described(name, method.help, method.params));
        methods.back()["result"] = method.result;
    }
    json events = json::array();
    for (const EventKind& event : table.events())
        events.push_back(described(event.name, event.help, event.params));
    return {{"methods", std::move(methods)}, {"events", std::move(events)}};
}

std::string markdown_of(const MethodTable& table) {
    std::string out;
    for (const auto& [name, method] : table.methods()) {
        out += fmt::format("### `{}`\n\n{}\n\n", name, method.help);
        out += table_of(method.params, "parameter", "required");
        out += table_of(method.result, "result", "always");
    }
    out += "## Events\n\n";
    for (const EventKind& event : table.events()) {
        out += fmt::format("### `{}`\n\n{}\n\n", event.name, event.help);
        out += table_of(event.params, "parameter", "always");
    }
    return out;
}

} // namespace plugbay::core
