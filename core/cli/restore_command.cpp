#include "core/cli/restore_command.hpp"

#include "core/checkpoint/checkpoint.hpp"
#include "core/cli/exit_status.hpp"
#include "core/cli/receive_machine.hpp"
#include "core/config/table_catalog.hpp"
#include "core/io/stream_place.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/machine_checkpoint.hpp"
#include "core/machine/saved_machine.hpp"

#include <iostream>

namespace plugbay::core {

namespace {

int refuse(const std::string& why) {
    std::cerr << "plugbay restore: " << why << '\n';
    return exit_status::failure;
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
    const MachineDocument document =
        parse_machine_text(manifest.machine.dump(2), shown + ": machine", "/", arguments.overrides);
    return load_document(document, arguments.plugins, std::cerr, tell_mistakes);
}

int restore_command(const RestoreArguments& arguments, const RunOptions& options) {
    return names_stream(arguments.place) ? receive_machine(arguments, options)
                                         : restore_folder(arguments, options);
}

} // namespace plugbay::core
