#include "core/cli/load_machine.hpp"

#include "core/config/table_catalog.hpp"

#include <algorithm>
#include <ostream>

namespace plugbay::core {

namespace {

// A plugin that the user named is not refused in silence, nor one that may have what the machine lacks.
void tell_refusals(std::ostream& errors, const MasterDeviceTable& table, const PluginSearch& search,
                   const std::vector<Diagnostic>& diagnostics) {
    const bool type_missing =
        std::any_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& diagnostic) {
            return diagnostic.kind == DiagnosticKind::unknown_type;
        });
    for (const PluginRefusal& refusal : table.refusals()) {
        const bool named =
            std::find(search.files.begin(), search.files.end(), refusal.file) != search.files.end();
        if (named || (type_missing && refusal.types.empty()))
            errors << "warning: " << refusal.error.text() << '\n';
    }
}

} // namespace

std::optional<LoadedMachine> load_machine(const MachineArguments& arguments, std::ostream& errors,
                                          const std::function<void(std::span<const Diagnostic>)>& tell) {
    return load_document(read_machine_file(arguments.file, arguments.overrides), arguments.plugins, errors,
                         tell);
}

PluginSearch plugins_for(const MachineDocument& document, std::span<const std::filesystem::path> plugins) {
    PluginSearch search{.files = {plugins.begin(), plugins.end()},
                        .directories = default_plugin_directories()};
    search.files.insert(search.files.end(), document.plugins.begin(), document.plugins.end());
    return search;
}

std::optional<LoadedMachine> load_document(const MachineDocument& document,
                                           std::span<const std::filesystem::path> plugins,
                                           std::ostream& errors,
                                           const std::function<void(std::span<const Diagnostic>)>& tell) {
    const PluginSearch search = plugins_for(document, plugins);
    MasterDeviceTable table = MasterDeviceTable::build(search);

    ConfigResult result = validate(document, TableCatalog(table));
    tell(result.diagnostics);
    tell_refusals(errors, table, search, result.diagnostics);
    if (!result.config) return std::nullopt;
    for (const auto& plugin : plugins)
        result.config->plugins.push_back(std::filesystem::absolute(plugin).string());
    return LoadedMachine{.config = std::move(*result.config), .device_types = std::move(table)};
}

} // namespace plugbay::core
