#include "core/cli/devices_command.hpp"

#include "core/cli/plugin_text.hpp"

#include <ostream>

namespace plugbay::core {

namespace {

using Json = nlohmann::ordered_json;

Json entry_json(const MasterDeviceTable::Entry& entry) {
    return type_json(*entry.type, plugin_json(*entry.plugin));
}

void print_refusals(std::ostream& out, const std::vector<PluginRefusal>& refusals) {
    if (refusals.empty()) return;
    out << "\nRefused:\n";
    for (const PluginRefusal& refusal : refusals) {
        out << "  " << refusal.error.message << '\n';
        if (!refusal.error.hint.empty()) out << "      " << refusal.error.hint << '\n';
    }
}

} // namespace

void print_device_list(std::ostream& out, const MasterDeviceTable& table, bool json) {
    if (json) {
        Json types = Json::array();
        for (const auto& entry : table.types())
            types.push_back(entry_json(entry));
        Json refused = Json::array();
        for (const PluginRefusal& refusal : table.refusals()) {
            refused.push_back({{"file", refusal.file.string()},
                               {"message", refusal.error.message},
                               {"hint", refusal.error.hint},
                               {"types", refusal.types}});
        }
        return print_json(out, {{"types", std::move(types)}, {"refused", std::move(refused)}});
    }
    std::vector<std::vector<std::string>> rows = {{"TYPE", "PLUGIN", "VERSION", "HELP"}};
    for (const auto& [type, plugin] : table.types()) {
        rows.push_back({type->name, plugin->name, plugin->version, type->help});
    }
    if (rows.size() == 1) {
        out << "No device types were found.\n";
    } else {
        print_table(out, "", rows);
    }
    for (const PluginDescription* plugin : table.plugins()) {
        for (const std::string& note : plugin->notes)
            out << "\nNote on " << plugin->file.string() << ": " << note << '\n';
    }
    print_refusals(out, table.refusals());
}

void print_device_type(std::ostream& out, const MasterDeviceTable::Entry& entry, bool json) {
    if (json) return print_json(out, entry_json(entry));
    const TypeDescription& type = *entry.type;
    const PluginDescription& plugin = *entry.plugin;
    out << type.name << ": " << type.help << '\n'
        << "Plugin:  " << plugin.name << ' ' << plugin.version << " (" << plugin.file.string() << ")\n"
        << "Build:   " << build_text(plugin) << '\n'
        << "State:   " << state_text(type) << '\n';
    print_declarations(out, type);
}

Result<void> devices_command(std::ostream& out, const DevicesOptions& options) {
    const MasterDeviceTable table = MasterDeviceTable::build(options.search);
    if (options.type.empty()) {
        print_device_list(out, table, options.json);
        return {};
    }
    const TypeDescription* type = table.find(options.type);
    if (type == nullptr) return table.unknown_type(options.type);
    print_device_type(out, {type, table.plugin_of(options.type)}, options.json);
    return {};
}

} // namespace plugbay::core
