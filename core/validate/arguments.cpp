#include "core/validate/arguments.hpp"

#include "core/base/nearest_name.hpp"
#include "core/plugin/metadata_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fnmatch.h>

namespace plugbay::core::validation {

namespace {

bool declares(const TypeDescription& type, const std::string& property) {
    return std::ranges::find(type.properties, property, &PropertyDescription::name) != type.properties.end();
}

bool has_prefix(const std::string& text, const std::string& type) {
    return text.starts_with(type + "."); // types have no dot in their names
}

// Whether a port of the one can be joined to a port of the other.
bool fit(const TypeDescription& one, const TypeDescription& other) {
    return std::ranges::any_of(one.ports, [&](const PortDescription& port) {
        return std::ranges::any_of(other.ports, [&](const PortDescription& opposite) {
            return opposite.interface == port.interface && opposite.role != port.role;
        });
    });
}

std::vector<std::string> names_of(const std::vector<TypeDescription>& types) {
    std::vector<std::string> names;
    for (const TypeDescription& type : types)
        names.push_back(type.name);
    return names;
}

Error no_such_type(const std::filesystem::path& file, const std::string& wanted,
                   const std::vector<TypeDescription>& types) {
    return {fmt::format("{} has no device type \"{}\"", file.string(), wanted),
            fmt::format("it has: {}", fmt::join(names_of(types), ", "))};
}

} // namespace

Result<Arguments> Arguments::of(const ValidateOptions& options, const PluginDescription* plugin) {
    Arguments arguments;
    if (plugin == nullptr) return arguments;
    if (const auto done = arguments.choose_types(options, *plugin); !done) return done.error();
    for (const std::string& text : options.peers) {
        if (const auto done = arguments.add_peer(text); !done) return done.error();
    }
    for (const std::string& text : options.settings) {
        if (const auto done = arguments.add_setting(text); !done) return done.error();
    }
    for (const std::string& text : options.kept) {
        if (const auto done = arguments.add_kept(text); !done) return done.error();
    }
    return arguments;
}

Result<void> Arguments::choose_types(const ValidateOptions& options, const PluginDescription& plugin) {
    const auto matches = [](const std::string& pattern, const TypeDescription& type) {
        return ::fnmatch(pattern.c_str(), type.name.c_str(), 0) == 0;
    };
    for (const std::string& wanted : options.types) {
        if (std::ranges::none_of(plugin.types, [&](const auto& type) { return matches(wanted, type); }))
            return no_such_type(options.file, wanted, plugin.types);
    }
    for (const TypeDescription& type : plugin.types) {
        const bool chosen =
            options.types.empty() ||
            std::ranges::any_of(options.types, [&](const auto& wanted) { return matches(wanted, type); });
        if (chosen)
            types_.push_back(type);
        else
            others_.push_back(type.name);
    }
    return {};
}

// FILE may have a colon in its name.
Result<void> Arguments::add_peer(const std::string& text) {
    std::filesystem::path file = text;
    std::string wanted;
    std::error_code failed;
    const std::size_t colon = text.rfind(':');
    if (colon != std::string::npos && !std::filesystem::is_regular_file(file, failed)) {
        file = text.substr(0, colon);
        wanted = text.substr(colon + 1);
    }
    const auto plugin = read_plugin_metadata(file);
    if (!plugin) return with_context("--peer", plugin.error());
    const auto is_wanted = [&](const TypeDescription& type) { return wanted.empty() || type.name == wanted; };
    if (std::ranges::none_of(plugin->types, is_wanted))
        return with_context("--peer", no_such_type(file, wanted, plugin->types));
    for (const TypeDescription& type : plugin->types) {
        if (!is_wanted(type) ||
            std::ranges::none_of(types_, [&](const TypeDescription& each) { return fit(each, type); }))
            continue;
        peers_.push_back({std::filesystem::absolute(file).lexically_normal(), type});
        return {};
    }
    return Error{fmt::format("--peer {} cannot be joined to {}", text, fmt::join(names_of(types_), " or ")),
                 "a peer has a port of the same interface and of the other role"};
}

Result<Arguments::Name> Arguments::name_of(const std::string& text) const {
    const auto is_prefix = [&](const std::string& type) { return has_prefix(text, type); };
    for (const TypeDescription& type : types_) {
        if (is_prefix(type.name)) return Name{type.name, text.substr(type.name.size() + 1)};
    }
    for (const Peer& peer : peers_) {
        if (is_prefix(peer.type.name)) return Name{peer.type.name, text.substr(peer.type.name.size() + 1)};
    }
    if (const auto other = std::ranges::find_if(others_, is_prefix); other != others_.end())
        return Error{fmt::format("\"{}\" is for device type \"{}\", which --type leaves out", text, *other),
                     fmt::format("what is validated is {}", fmt::join(names_of(types_), ", "))};
    return Name{{}, text};
}

Result<void> Arguments::add_setting(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos)
        return Error{fmt::format("--set {} has no value", text), "write --set NAME=VALUE or TYPE.NAME=VALUE"};
    const auto name = name_of(text.substr(0, equals));
    if (!name) return with_context("--set", name.error());
    std::vector<const TypeDescription*> meant;
    for (const TypeDescription& type : types_) {
        if (name->type.empty() || name->type == type.name) meant.push_back(&type);
    }
    for (const Peer& peer : peers_) {
        if (name->type == peer.type.name) meant.push_back(&peer.type);
    }
    if (std::ranges::none_of(meant, [&](const auto* type) { return declares(*type, name->name); })) {
        std::vector<std::string> types;
        std::vector<std::string> properties;
        for (const TypeDescription* const type : meant) {
            types.push_back(type->name);
            for (const PropertyDescription& property : type->properties)
                properties.push_back(property.name);
        }
        const std::string nearest = nearest_name(name->name, properties);
        return Error{fmt::format("--set: {} has no property \"{}\"", fmt::join(types, " or "), name->name),
                     !nearest.empty()     ? fmt::format("did you mean \"{}\"?", nearest)
                     : properties.empty() ? "it has none"
                                          : fmt::format("there are: {}", fmt::join(properties, ", "))};
    }
    settings_.emplace_back(*name, text.substr(equals + 1));
    return {};
}

Result<void> Arguments::add_kept(const std::string& text) {
    auto name = name_of(text);
    if (!name) return with_context("--kept", name.error());
    kept_.push_back(*std::move(name));
    return {};
}

testkit::Properties Arguments::properties(const TypeDescription& type) const {
    testkit::Properties values;
    for (const auto& [name, value] : settings_) {
        if (name.type == type.name || (name.type.empty() && declares(type, name.name)))
            values.emplace_back(name.name, value);
    }
    return values;
}

std::set<std::string, std::less<>> Arguments::kept(const TypeDescription& type) const {
    std::set<std::string, std::less<>> fields;
    for (const Name& each : kept_) {
        if (each.type.empty() || each.type == type.name) fields.insert(each.name);
    }
    return fields;
}

std::vector<PeerDevice> Arguments::peers() const {
    std::vector<PeerDevice> devices;
    for (const Peer& peer : peers_) {
        PeerDevice& device = devices.emplace_back(PeerDevice{peer.file, peer.type.name, {}});
        for (const auto& [name, value] : settings_) {
            if (name.type == peer.type.name) device.properties.emplace_back(name.name, value);
        }
    }
    return devices;
}

} // namespace plugbay::core::validation
