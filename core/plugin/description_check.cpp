#include "core/plugin/description_check.hpp"

#include "core/plugin/metadata_reader.hpp"
#include "core/plugin/register_check.hpp"

#include <plugbay/abi/plugin.h>

#include <algorithm>
#include <set>
#include <utility>

namespace plugbay::core {

namespace {

constexpr std::string_view letters_and_digits = "abcdefghijklmnopqrstuvwxyz0123456789";

bool is_name(std::string_view name, char separator) {
    return !name.empty() && name.size() <= PluginLimits::name_bytes &&
           std::all_of(name.begin(), name.end(), [separator](char character) {
               return character == separator || letters_and_digits.find(character) != std::string_view::npos;
           });
}

std::string in_quotes(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

std::string signed_text(std::uint64_t number) {
    return std::to_string(static_cast<std::int64_t>(number));
}

std::string range_text(const PropertyDescription& property) {
    const bool is_signed = property.kind == PLUGBAY_PROPERTY_SIGNED;
    const auto number = [&](std::uint64_t value) {
        return is_signed ? signed_text(value) : std::to_string(value);
    };
    return number(property.minimum) + " to " + number(property.maximum);
}

Error bad_name(const char* what, std::string_view name, const char* characters) {
    return Error{std::string("the name ") + in_quotes(name) + " of the " + what + " is not possible",
                 std::string("use 1 to ") + std::to_string(PluginLimits::name_bytes) +
                     " of lower-case letters, digits and \"" + characters + "\""};
}

Error unknown_flags(std::uint32_t flags, std::uint32_t known) {
    return Error{"flags " + std::to_string(flags) + " has bits that ABI 1." +
                     std::to_string(PLUGBAY_ABI_MINOR) + " does not define (defined are " +
                     std::to_string(known) + ")",
                 "set undefined bits to 0"};
}

template <typename Number>
Result<void> check_range(const PropertyDescription& property) {
    const auto minimum = static_cast<Number>(property.minimum);
    const auto maximum = static_cast<Number>(property.maximum);
    const auto value = static_cast<Number>(property.default_number);
    if (minimum > maximum) {
        return Error{"its range is empty: " + range_text(property), "set minimum <= maximum"};
    }
    if ((property.flags & PLUGBAY_PROPERTY_REQUIRED) == 0 && (value < minimum || value > maximum)) {
        return Error{"its default is outside of its range " + range_text(property),
                     "change the default or the range, or make the property required"};
    }
    return {};
}

Result<void> check_text(const PropertyDescription& property) {
    if (property.minimum > property.maximum || property.maximum == 0) {
        return Error{"the length of its text can be " + range_text(property) + " bytes",
                     "set minimum <= maximum and maximum > 0"};
    }
    // An empty default means that there is no text, whatever the minimum for a text that is given.
    const std::size_t length = property.default_text.size();
    if ((property.flags & PLUGBAY_PROPERTY_REQUIRED) == 0 && length != 0 &&
        (length < property.minimum || length > property.maximum)) {
        return Error{"its default text of " + std::to_string(length) + " bytes is outside of its range " +
                         range_text(property),
                     "change the default or the range"};
    }
    return {};
}

Result<void> check_choices(const PropertyDescription& property) {
    if (property.choices.empty()) return Error{"it is a choice but has no choices", "set choices"};
    std::set<std::string_view> seen;
    for (const std::string& choice : property.choices) {
        if (choice.empty()) return Error{"one of its choices is an empty text", "name every choice"};
        if (!seen.insert(choice).second) {
            return Error{"its choice " + in_quotes(choice) + " is there twice", "remove one of them"};
        }
    }
    if ((property.flags & PLUGBAY_PROPERTY_REQUIRED) == 0 &&
        property.default_number >= property.choices.size()) {
        return Error{"its default is choice number " + std::to_string(property.default_number) +
                         ", but there are " + std::to_string(property.choices.size()),
                     "the default is an index that counts from 0"};
    }
    return {};
}

Result<void> check_property(const PropertyDescription& property) {
    if (!is_name(property.name, '_')) return bad_name("property", property.name, "_");
    if (property.name == "id" || property.name == "type" || property.name == "frontend") {
        return Error{"the name " + in_quotes(property.name) + " means something else in machine files",
                     "choose another property name"};
    }
    constexpr std::uint32_t known = PLUGBAY_PROPERTY_REQUIRED | PLUGBAY_PROPERTY_LIVE;
    if ((property.flags & ~known) != 0) return unknown_flags(property.flags, known);
    if (property.kind != PLUGBAY_PROPERTY_CHOICE && !property.choices.empty()) {
        return Error{"it has choices but is not of the kind choice",
                     "use PLUGBAY_PROPERTY_CHOICE, or choice_count 0"};
    }
    switch (property.kind) {
    case PLUGBAY_PROPERTY_BOOLEAN:
        if (property.default_number > 1) {
            return Error{"its default is " + std::to_string(property.default_number) +
                             ", but a boolean is 0 or 1",
                         "change the default"};
        }
        return {};
    case PLUGBAY_PROPERTY_UNSIGNED:
    case PLUGBAY_PROPERTY_SIZE:
        return check_range<std::uint64_t>(property);
    case PLUGBAY_PROPERTY_SIGNED:
        return check_range<std::int64_t>(property);
    case PLUGBAY_PROPERTY_STRING:
    case PLUGBAY_PROPERTY_PATH:
        return check_text(property);
    case PLUGBAY_PROPERTY_CHOICE:
        return check_choices(property);
    default:
        return Error{"its kind is " + std::to_string(property.kind) +
                         ", but the kinds that this plugbay knows are 1 to 7",
                     "use one of PLUGBAY_PROPERTY_BOOLEAN to PLUGBAY_PROPERTY_CHOICE"};
    }
}

Result<void> check_properties(const std::vector<PropertyDescription>& properties, const char* what) {
    std::set<std::string_view> seen;
    for (const PropertyDescription& property : properties) {
        const std::string context = std::string(what) + " " + in_quotes(property.name);
        if (auto done = check_property(property); !done) return with_context(context, done.error());
        if (!seen.insert(property.name).second) {
            return with_context(context, Error{"the name is there twice", "rename one of them"});
        }
    }
    return {};
}

Result<void> check_port(const PortDescription& port) {
    if (port.role != PLUGBAY_PORT_FRONTEND && port.role != PLUGBAY_PORT_BACKEND) {
        return Error{"its role is " + std::to_string(port.role) + ", neither frontend (1) nor backend (2)",
                     "use PLUGBAY_PORT_FRONTEND or PLUGBAY_PORT_BACKEND"};
    }
    if ((port.flags & ~PLUGBAY_PORT_OPTIONAL) != 0) return unknown_flags(port.flags, PLUGBAY_PORT_OPTIONAL);
    if (!is_interface_id(port.interface)) {
        return Error{"its interface " + in_quotes(port.interface) + " is not an interface id",
                     "ids look like \"char/1\" or \"com.example.laser/1\""};
    }
    if (!port.name.empty() && !is_name(port.name, '-')) return bad_name("port", port.name, "-");
    if (port.role == PLUGBAY_PORT_BACKEND && !port.options.empty()) {
        return Error{"a backend's port has options", "make them properties of the device type"};
    }
    return check_properties(port.options, "option");
}

Result<void> check_type(const TypeDescription& type) {
    if ((type.flags & ~PLUGBAY_DEVICE_CONCURRENT) != 0) {
        return unknown_flags(type.flags, PLUGBAY_DEVICE_CONCURRENT);
    }
    if (type.state_version_oldest > type.state_version ||
        (type.state_version != 0 && type.state_version_oldest == 0)) {
        return Error{"it saves state version " + std::to_string(type.state_version) +
                         " but says that it loads from version " + std::to_string(type.state_version_oldest),
                     "both are 0 (no state), or 1 <= state_version_oldest <= state_version"};
    }
    if (auto done = check_properties(type.properties, "property"); !done) return done;
    std::set<std::string_view> frontends;
    bool has_backend = false;
    for (std::size_t index = 0; index < type.ports.size(); ++index) {
        const PortDescription& port = type.ports[index];
        const std::string context = "port " + std::to_string(index);
        if (auto done = check_port(port); !done) return with_context(context, done.error());
        if (port.role == PLUGBAY_PORT_FRONTEND && !frontends.insert(port.name).second) {
            return with_context(context, Error{"another frontend of this type has the same name",
                                               "name the ports: at most one can be named like its device"});
        }
        if (port.role == PLUGBAY_PORT_BACKEND && std::exchange(has_backend, true)) {
            return with_context(context, Error{"it is a second backend, and a device has one \"frontend\" to "
                                               "connect one backend by",
                                               "make two device types of it"});
        }
    }
    return check_registers(type.register_blocks);
}

} // namespace

bool is_type_name(std::string_view name) {
    return is_name(name, '-');
}

bool is_interface_id(std::string_view id) {
    const std::size_t slash = id.find('/');
    if (slash == std::string_view::npos || id.size() > PluginLimits::name_bytes) return false;
    const std::string_view version = id.substr(slash + 1);
    if (version.empty() || version.size() > 5 || version[0] == '0' ||
        version.find_first_not_of("0123456789") != std::string_view::npos) {
        return false;
    }
    std::string_view words = id.substr(0, slash);
    while (true) {
        const std::size_t dot = words.find('.');
        const std::string_view word = words.substr(0, dot);
        if (!is_name(word, '-') || word.front() == '-' || word.back() == '-') return false;
        if (dot == std::string_view::npos) return true;
        words = words.substr(dot + 1);
    }
}

Result<void> check_description(const PluginDescription& plugin) {
    if (!is_type_name(plugin.name)) return bad_name("plugin", plugin.name, "-");
    if (plugin.version.empty()) {
        return Error{"the plugin's version is an empty text", "set version, for example to \"1.0\""};
    }
    if (plugin.types.empty()) {
        return Error{"the plugin has no device types", "put at least one type into plugbay_plugin.types"};
    }
    std::set<std::string_view> seen;
    for (const TypeDescription& type : plugin.types) {
        if (!is_type_name(type.name)) return bad_name("device type", type.name, "-");
        const std::string context = "device type " + in_quotes(type.name);
        if (auto done = check_type(type); !done) return with_context(context, done.error());
        if (!seen.insert(type.name).second) {
            return with_context(context, Error{"the plugin has it twice", "rename one of them"});
        }
    }
    return {};
}

} // namespace plugbay::core
