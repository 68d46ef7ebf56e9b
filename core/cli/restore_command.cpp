#include "core/cli/restore_command.hpp"

#include "core/checkpoint/checkpoint.hpp"
#include "core/cli/exit_status.hpp"
#include "core/cli/receive_machine.hpp"
#include "core/config/table_catalog.hpp"
#include "core/io/stream_place.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/machine_checkpoint.hpp"
#include "core/machine/saved_machine.hpp"
#include "core/plugin/metadata_reader.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iostream>
#include <set>
#include <span>

namespace plugbay::core {

namespace {

int refuse(const std::string& why) {
    std::cerr << "plugbay restore: " << why << '\n';
    return exit_status::failure;
}

// A build that is given now takes the place of the one that was used then.
void leave_out_replaced(nlohmann::ordered_json& machine, std::span<const std::filesystem::path> given) {
    const auto plugins = machine.find("plugins");
    if (plugins == machine.end() || !plugins->is_array()) return;
    std::set<std::string> replaced;
    for (const auto& file : given) {
        if (const auto description = read_plugin_metadata(file)) {
            for (const TypeDescription& type : description->types)
                replaced.insert(type.name);
        }
    }
    auto kept = nlohmann::ordered_json::array();
    for (const auto& file : *plugins) {
        const auto description =
            file.is_string() ? read_plugin_metadata(file.get<std::string>()) : Error{"no file's name"};
        const auto is_replaced = [&](const TypeDescription& type) { return replaced.contains(type.name); };
        if (!description || std::ranges::none_of(description->types, is_replaced)) kept.push_back(file);
    }
    *plugins = std::move(kept);
}

void tell_missing(const Manifest& manifest, const MasterDeviceTable& types) {
    for (const SavedDevice& device : manifest.devices) {
        if (types.find(device.type) != nullptr) continue;
        refuse(
            fmt::format("device \"{}\" was of plugin {} {} (build {}), which is not here: give --plugin FILE",
                        device.id, device.plugin, device.plugin_version, device.build_id));
    }
}

int restore_folder(const RestoreArguments& arguments, const RunOptions& options) {
    const std::filesystem::path folder = arguments.place;
    const auto checkpoint = Checkpoint::open(folder);
    if (!checkpoint) return refuse(checkpoint.error().text());
    if (const auto there = checkpoint->require_memory(); !there) return refuse(there.error().text());
    if (const auto there = checkpoint->require_states(); !there) return refuse(there.error().text());
    const auto state = state_of(checkpoint->manifest(), checkpoint->states());
    if (!state) return refuse(state.error().text());
    if (arguments.verify) {
        if (const auto verified = checkpoint->memory()->verify(); !verified)
            return refuse(verified.error().text());
    }
    auto loaded = load_saved(checkpoint->manifest(), (folder / manifest_file).string(), arguments);
    if (!loaded) return exit_status::usage;
    const auto obstacles = find_obstacles(checkpoint->manifest(), loaded->config,
                                          TableCatalog(loaded->device_types), arguments.accept_changed_disks);
    for (const std::string& obstacle : obstacles)
        refuse(obstacle);
    if (!obstacles.empty()) return exit_status::failure;
    const auto make = [&](LoadedMachine& from) -> Result<std::unique_ptr<Machine>> {
        auto memory = memory_of(*checkpoint);
        if (!memory) return std::move(memory).error();
        return Machine::restore(from.config, from.device_types,
                                {.state = *state,
                                 .memory = *std::move(memory),
                                 .accept_other_processor = arguments.accept_other_processor});
    };
    return run_loaded(*loaded, make, true, options);
}

} // namespace

// Its paths are absolute.
std::optional<LoadedMachine> load_saved(const Manifest& manifest, const std::string& shown,
                                        const RestoreArguments& arguments) {
    nlohmann::ordered_json machine = manifest.machine;
    leave_out_replaced(machine, arguments.plugins);
    const MachineDocument document =
        parse_machine_text(machine.dump(2), shown + ": machine", "/", arguments.overrides);
    bool type_missing = false;
    const auto tell = [&](std::span<const Diagnostic> mistakes) {
        type_missing = std::ranges::any_of(
            mistakes, [](const Diagnostic& mistake) { return mistake.kind == DiagnosticKind::unknown_type; });
        tell_mistakes(mistakes);
    };
    auto loaded = load_document(document, arguments.plugins, std::cerr, tell);
    if (!loaded && type_missing)
        tell_missing(manifest, MasterDeviceTable::build(plugins_for(document, arguments.plugins)));
    return loaded;
}

int restore_command(const RestoreArguments& arguments, const RunOptions& options) {
    return names_stream(arguments.place) ? receive_machine(arguments, options)
                                         : restore_folder(arguments, options);
}

} // namespace plugbay::core
