#include "core/cli/load_machine.hpp"

#include <ostream>

namespace plugbay::core {

std::vector<KnownType> TableCatalog::known_types() const {
    std::vector<KnownType> result;
    for (const auto& entry : table_.types())
        result.push_back({.name = entry.type->name});
    for (const PluginRefusal& refusal : table_.refusals()) {
        for (const std::string& type : refusal.types) {
            if (table_.find(type) == nullptr)
                result.push_back({.name = type, .unavailable = refusal.error.text()});
        }
    }
    return result;
}

std::optional<LoadedMachine> load_machine(const MachineArguments& arguments, std::ostream& errors,
                                          bool terminal) {
    const MachineDocument document = read_machine_file(arguments.file, arguments.overrides);
    PluginSearch search{.files = arguments.plugins, .directories = default_plugin_directories()};
    search.files.insert(search.files.end(), document.plugins.begin(), document.plugins.end());
    MasterDeviceTable table = MasterDeviceTable::build(search);

    ConfigResult result = validate(document, TableCatalog(table));
    for (const Diagnostic& diagnostic : result.diagnostics) {
        errors << (terminal ? text_with_source(diagnostic) : text_of(diagnostic)) << '\n';
    }
    if (!result.config) return std::nullopt;
    return LoadedMachine{.config = std::move(*result.config), .device_types = std::move(table)};
}

} // namespace plugbay::core
