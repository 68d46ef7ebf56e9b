#include "core/cli/restore_command.hpp"

#include "core/checkpoint/checkpoint.hpp"
#include "core/cli/ctl/ctl_command.hpp"
#include "core/cli/exit_status.hpp"
#include "core/config/table_catalog.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/machine_checkpoint.hpp"

#include <iostream>

namespace plugbay::core {

namespace {

int refuse(const std::string& why) {
    std::cerr << "plugbay restore: " << why << '\n';
    return exit_status::failure;
}

} // namespace

int restore_command(const RestoreArguments& arguments, const RunOptions& options) {
    const auto checkpoint = Checkpoint::open(arguments.folder);
    if (!checkpoint) return refuse(checkpoint.error().text());
    if (const auto there = checkpoint->require_memory(); !there) return refuse(there.error().text());
    const auto state = state_of(*checkpoint);
    if (!state) return refuse(state.error().text());
    if (arguments.verify) {
        if (const auto verified = checkpoint->memory()->verify(); !verified)
            return refuse(verified.error().text());
    }
    // Its paths are absolute.
    const MachineDocument document = parse_machine_text(
        checkpoint->manifest().machine.dump(2), (arguments.folder / manifest_file).string() + ": machine",
        "/", arguments.overrides);
    auto loaded = load_document(document, arguments.plugins, std::cerr, tell_mistakes);
    if (!loaded) return exit_status::usage;
    const auto obstacles = find_obstacles(*checkpoint, loaded->config, TableCatalog(loaded->device_types),
                                          arguments.accept_changed_disks);
    for (const std::string& obstacle : obstacles)
        refuse(obstacle);
    if (!obstacles.empty()) return exit_status::failure;
    const auto make = [&](LoadedMachine& from) -> Result<std::unique_ptr<Machine>> {
        auto memory = memory_of(*checkpoint);
        if (!memory) return std::move(memory).error();
        return Machine::restore(from.config, from.device_types, *state, *std::move(memory));
    };
    return run_loaded(*loaded, make, true, options);
}

int checkpoint_command(const CheckpointArguments& arguments) {
    CtlOptions options;
    options.json = arguments.json;
    if (arguments.names.size() == 2) options.machine = arguments.names.front();
    options.words = {"checkpoint", arguments.names.back()};
    if (!arguments.contents.empty())
        options.words.insert(options.words.end(), {"--contents", arguments.contents});
    if (arguments.incremental) options.words.push_back("--incremental");
    if (arguments.track) options.words.push_back("--track");
    if (arguments.replace) options.words.push_back("--replace");
    return ctl_command(std::move(options));
}

} // namespace plugbay::core
