#include "core/cli/plugin_text.hpp"

#include "core/config/value_reader.hpp"

#include <plugbay/abi/plugin.h>

#include <algorithm>
#include <array>
#include <limits>
#include <ostream>

namespace plugbay::core {

namespace {

using Json = nlohmann::ordered_json;

const char* kind_name(std::uint32_t kind) {
    constexpr std::array<const char*, 8> names = {"unknown", "boolean", "unsigned", "signed",
                                                  "size",    "string",  "path",     "choice"};
    return kind < names.size() ? names[kind] : names[0];
}

bool is_text(const PropertyDescription& property) {
    return property.kind == PLUGBAY_PROPERTY_STRING || property.kind == PLUGBAY_PROPERTY_PATH;
}

bool is_required(const PropertyDescription& property) {
    return (property.flags & PLUGBAY_PROPERTY_REQUIRED) != 0;
}

const char* role_name(const PortDescription& port) {
    return port.role == PLUGBAY_PORT_FRONTEND ? "frontend" : "backend";
}

// As it would be written in a machine file; the bounds of a text are lengths.
std::string number_text(const PropertyDescription& property, std::uint64_t number) {
    if (property.kind == PLUGBAY_PROPERTY_UNSIGNED || is_text(property)) return std::to_string(number);
    return value_words(property, number, {});
}

// Empty where the kind itself says it all.
std::string range_text(const PropertyDescription& property) {
    const bool is_signed = property.kind == PLUGBAY_PROPERTY_SIGNED;
    if (property.kind == PLUGBAY_PROPERTY_BOOLEAN || property.kind == PLUGBAY_PROPERTY_CHOICE) return {};
    const std::uint64_t lowest =
        is_signed ? static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::min()) : 0;
    const std::uint64_t highest = is_signed
                                      ? static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())
                                      : std::numeric_limits<std::uint64_t>::max();
    const char* unit = is_text(property) ? " bytes" : "";
    if (property.maximum == highest) {
        if (property.minimum == lowest) return {};
        return "at least " + number_text(property, property.minimum) + unit;
    }
    return number_text(property, property.minimum) + " to " + number_text(property, property.maximum) + unit;
}

void print_properties(std::ostream& out, const std::string& indent,
                      const std::vector<PropertyDescription>& properties) {
    std::vector<std::vector<std::string>> rows = {{"NAME", "KIND", "DEFAULT", "RANGE", "HELP"}};
    for (const PropertyDescription& property : properties) {
        std::string value = is_required(property) ? "(required)"
                            : is_text(property)   ? "\"" + property.default_text + "\""
                                                  : number_text(property, property.default_number);
        std::string range = range_text(property);
        for (const std::string& choice : property.choices)
            range += (range.empty() ? "" : " | ") + choice;
        const bool live = (property.flags & PLUGBAY_PROPERTY_LIVE) != 0;
        rows.push_back({property.name, kind_name(property.kind), std::move(value), std::move(range),
                        property.help + (live ? " [live]" : "")});
    }
    print_table(out, indent, rows);
}

Json property_json(const PropertyDescription& property) {
    const auto number = [&](std::uint64_t value) -> Json {
        if (property.kind == PLUGBAY_PROPERTY_BOOLEAN) return value != 0;
        if (property.kind == PLUGBAY_PROPERTY_SIGNED) return static_cast<std::int64_t>(value);
        if (property.kind == PLUGBAY_PROPERTY_CHOICE) return value_words(property, value, {});
        return value;
    };
    Json json = {{"name", property.name}, {"kind", kind_name(property.kind)}, {"help", property.help}};
    json["required"] = is_required(property);
    json["live"] = (property.flags & PLUGBAY_PROPERTY_LIVE) != 0;
    if (!is_required(property)) {
        json["default"] = is_text(property) ? Json(property.default_text) : number(property.default_number);
    }
    if (property.kind == PLUGBAY_PROPERTY_CHOICE) {
        json["choices"] = property.choices;
    } else if (is_text(property)) {
        json["minimum_length"] = property.minimum;
        json["maximum_length"] = property.maximum;
    } else if (property.kind != PLUGBAY_PROPERTY_BOOLEAN) {
        json["minimum"] = number(property.minimum);
        json["maximum"] = number(property.maximum);
    }
    return json;
}

Json properties_json(const std::vector<PropertyDescription>& properties) {
    Json json = Json::array();
    for (const PropertyDescription& property : properties)
        json.push_back(property_json(property));
    return json;
}

} // namespace

namespace {

std::string padded(std::string text, std::size_t width) {
    // Counts characters, not bytes of UTF-8.
    const auto characters =
        std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xc0) != 0x80; });
    if (static_cast<std::size_t>(characters) < width) text.append(width - characters, ' ');
    return text;
}

} // namespace

void print_table(std::ostream& out, const std::string& indent,
                 const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t column = 0; column < row.size(); ++column) {
            widths[column] = std::max(widths[column], row[column].size());
        }
    }
    for (const auto& row : rows) {
        std::string line = indent;
        for (std::size_t column = 0; column < row.size(); ++column) {
            line += padded(row[column], widths[column] + 2);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << '\n';
    }
}

Json plugin_json(const PluginDescription& plugin) {
    return {{"name", plugin.name},
            {"version", plugin.version},
            {"build_id", plugin.build_id},
            {"licence", plugin.licence},
            {"abi", std::to_string(plugin.abi_major) + "." + std::to_string(plugin.abi_minor)},
            {"file", plugin.file.string()},
            {"notes", plugin.notes}};
}

Json type_json(const TypeDescription& type, const Json& plugin) {
    Json ports = Json::array();
    for (const PortDescription& port : type.ports) {
        ports.push_back({{"role", role_name(port)},
                         {"interface", port.interface},
                         {"name", port.name.empty() ? Json() : Json(port.name)},
                         {"optional", (port.flags & PLUGBAY_PORT_OPTIONAL) != 0},
                         {"options", properties_json(port.options)}});
    }
    Json json = {{"type", type.name}, {"help", type.help}};
    if (!plugin.is_null()) json["plugin"] = plugin;
    json["state_version"] = type.state_version;
    json["state_version_oldest"] = type.state_version_oldest;
    json["concurrent"] = (type.flags & PLUGBAY_DEVICE_CONCURRENT) != 0;
    json["properties"] = properties_json(type.properties);
    json["ports"] = std::move(ports);
    return json;
}

void print_json(std::ostream& out, const Json& json) {
    out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

std::string build_text(const PluginDescription& plugin) {
    return "ABI " + std::to_string(plugin.abi_major) + "." + std::to_string(plugin.abi_minor) +
           ", build id \"" + plugin.build_id + "\", licence \"" + plugin.licence + "\"";
}

std::string state_text(const TypeDescription& type) {
    if (type.state_version == 0) return "none";
    return "version " + std::to_string(type.state_version) + ", loads from version " +
           std::to_string(type.state_version_oldest);
}

void print_declarations(std::ostream& out, const TypeDescription& type) {
    if (!type.properties.empty()) {
        out << "\nProperties:\n";
        print_properties(out, "  ", type.properties);
    }
    if (!type.ports.empty()) out << "\nPorts:\n";
    for (const PortDescription& port : type.ports) {
        out << "  " << role_name(port) << ' ' << port.interface;
        if (!port.name.empty()) out << ", named <id>." << port.name;
        if ((port.flags & PLUGBAY_PORT_OPTIONAL) != 0) out << ", optional";
        out << '\n';
        if (!port.options.empty()) print_properties(out, "    ", port.options);
    }
}

} // namespace plugbay::core
