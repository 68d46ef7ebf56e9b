#include "core/hotswap/build_fit.hpp"

#include "core/config/carried_values.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

namespace plugbay::core {

namespace {

const TypeDescription* type_in(const PluginDescription& plugin, std::string_view name) {
    const auto found = std::ranges::find(plugin.types, name, &TypeDescription::name);
    return found == plugin.types.end() ? nullptr : &*found;
}

// "" when both have the same ports: links and names stay what they are.
std::string port_difference(const TypeDescription& before, const TypeDescription& after) {
    if (before.ports.size() != after.ports.size())
        return fmt::format("it has {} ports, not {}", after.ports.size(), before.ports.size());
    for (std::size_t i = 0; i < before.ports.size(); ++i) {
        const PortDescription& one = before.ports[i];
        const PortDescription& other = after.ports[i];
        if (one.role != other.role || one.interface != other.interface || one.name != other.name)
            return fmt::format("its port {} is another", i);
    }
    return {};
}

Error not_possible(const std::string& id, const std::vector<std::string>& mistakes) {
    return Error{fmt::format("device \"{}\": {}", id, fmt::join(mistakes, "; ")),
                 "remove the device and add it again with the new build"};
}

} // namespace

std::string build_name(const PluginDescription& plugin) {
    return fmt::format("{} {}{}", plugin.name, plugin.version,
                       plugin.build_id.empty() ? "" : " (" + plugin.build_id + ")");
}

CarriedConfiguration carry_configuration(const DeviceManager& devices, const Device& device,
                                         const TypeDescription& after) {
    CarriedConfiguration carried;
    const auto carry = [&](const auto& before, const auto& declared, const auto& values) {
        CarriedValues each = carry_over(before, declared, values);
        carried.notes.insert(carried.notes.end(), each.notes.begin(), each.notes.end());
        carried.mistakes.insert(carried.mistakes.end(), each.mistakes.begin(), each.mistakes.end());
        return std::move(each.values);
    };
    const TypeDescription& before = *type_in(device.plugin()->description(), device.type().name);
    carried.properties = carry(before.properties, after.properties, devices.config(device).properties);
    for (const auto& link : devices.registry().links()) {
        if (link->frontend().device != &device) continue;
        const std::uint32_t port = link->frontend().port;
        carried.options[port] = carry(before.ports[port].options, after.ports[port].options,
                                      devices.config(*link->backend().device).link->options);
    }
    return carried;
}

Result<BuildFit> fit_build(const DeviceManager& devices, const std::string& id,
                           const PluginDescription& after) {
    const auto device = devices.find_named(id);
    if (!device) return device.error();
    const PluginDescription& before = (*device)->plugin()->description();
    const TypeDescription& old_type = *type_in(before, (*device)->type().name);
    const TypeDescription* const type = type_in(after, old_type.name);
    if (type == nullptr) {
        return Error{fmt::format("{} has no device type \"{}\", which device \"{}\" is of",
                                 after.file.string(), old_type.name, id),
                     "name a build of the plugin \"" + before.name + "\""};
    }
    if (const std::string difference = port_difference(old_type, *type); !difference.empty())
        return not_possible(id, {"the new build connects otherwise: " + difference});
    if (type->state_version == 0)
        return not_possible(id,
                            {"the new build declares no state, and could not go on where the old one is"});
    if (old_type.state_version < type->state_version_oldest || old_type.state_version > type->state_version) {
        return Error{
            fmt::format("device \"{}\" saves its state in version {}, and the new build reads {} to {}", id,
                        old_type.state_version, type->state_version_oldest, type->state_version),
            old_type.state_version > type->state_version
                ? "an older build cannot know what a newer version means; new fields that it may ignore "
                  "are optional ones, without a new version"
                : "lower state_version_oldest and convert the old state"};
    }
    CarriedConfiguration carried = carry_configuration(devices, **device, *type);
    if (!carried.mistakes.empty()) return not_possible(id, carried.mistakes);
    BuildFit fit{.replacement = {.id = id,
                                 .type = {},
                                 .properties = std::move(carried.properties),
                                 .options = std::move(carried.options)}};
    for (const std::string& note : carried.notes)
        fit.notes.push_back(fmt::format("device \"{}\": {}", id, note));
    return fit;
}

} // namespace plugbay::core
