// The one binary: reads the command line and calls the command.
#include "core/base/log.hpp"
#include "core/cli/checkpoint_command.hpp"
#include "core/cli/command_completion.hpp"
#include "core/cli/ctl/ctl_command.hpp"
#include "core/cli/daemon.hpp"
#include "core/cli/dev/dev_command.hpp"
#include "core/cli/devices_command.hpp"
#include "core/cli/doctor.hpp"
#include "core/cli/exit_status.hpp"
#include "core/cli/inspect_command.hpp"
#include "core/cli/log_arguments.hpp"
#include "core/cli/man_page.hpp"
#include "core/cli/new_command.hpp"
#include "core/cli/ps_command.hpp"
#include "core/cli/restore_command.hpp"
#include "core/cli/run_command.hpp"
#include "core/cli/top_command.hpp"
#include "core/cli/validate_command.hpp"
#include "core/config/schema.hpp"
#include "core/config/table_catalog.hpp"
#include "core/hotswap/rehearsal_child.hpp"
#include "core/hotswap/rehearsal_protocol.hpp"
#include "core/validate/check_process.hpp"
#include "core/version.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace plugbay::core {
namespace {

constexpr std::uint32_t longest_timeout = 1'000'000'000; // seconds

// `overrides` for --set, `plugins` for --plugin.
void add_overrides(CLI::App& command, std::vector<std::string>& overrides,
                   std::vector<std::filesystem::path>& plugins) {
    command.add_option("--set", overrides, "override a value: devices.vda.read_only=true")
        ->type_name("PATH=VALUE")
        ->allow_extra_args(false);
    command.add_option("--plugin", plugins, "use the device types of this plugin too")
        ->type_name("FILE")
        ->allow_extra_args(false);
}

void add_machine_arguments(CLI::App& command, MachineArguments& arguments) {
    command.add_option("MACHINE", arguments.file, "machine file (JSON)")->required();
    add_overrides(command, arguments.overrides, arguments.plugins);
}

// What `run` and `restore` have in common.
void add_run_options(CLI::App& command, RunOptions& options, bool& daemonize) {
    command
        .add_option("--name", options.control.name,
                    "what `plugbay ctl` calls the running machine; the machine file's name without it")
        ->type_name("NAME");
    command.add_option("--control", options.control.socket, "where its control socket is, or \"none\"")
        ->type_name("PATH");
    command.add_flag("--daemon", daemonize,
                     "run in the background; prints what `plugbay ctl` calls the machine");
    command.add_flag("--pause", options.paused, "the guest waits for `plugbay ctl resume`");
    command
        .add_option_function<std::uint32_t>(
            "--timeout", [&](std::uint32_t seconds) { options.timeout = std::chrono::seconds(seconds); },
            "end the machine after this time, with status 124")
        ->type_name("SECONDS")
        ->check(CLI::Range(1U, longest_timeout));
}

CLI::App* add_restore(CLI::App& app, RestoreArguments& arguments) {
    auto* restore = app.add_subcommand("restore", "run a machine on from a checkpoint");
    restore
        ->add_option("PLACE", arguments.place,
                     "the folder that `plugbay checkpoint` made; or where a machine is waited for: "
                     "unix:PATH, tcp:ADDRESS:PORT, or - for standard input")
        ->type_name("DIR|unix:PATH|tcp:ADDRESS:PORT|-")
        ->required();
    add_overrides(*restore, arguments.overrides, arguments.plugins);
    restore->add_flag("--accept-changed-disks", arguments.accept_changed_disks,
                      "go on although a disk's file is not what it was");
    restore->add_flag("--accept-other-processor", arguments.accept_other_processor,
                      "go on although the guest knows another processor than this one");
    restore->add_flag("--verify", arguments.verify,
                      "read all of a folder's memory and compare it with its checksums first");
    return restore;
}

CLI::App* add_checkpoint(CLI::App& app, CheckpointArguments& arguments) {
    auto* checkpoint = app.add_subcommand("checkpoint", "save a running machine into a folder, or send it");
    constexpr int most_names = 2;
    checkpoint
        ->add_option("MACHINE_AND_PLACE", arguments.names,
                     "which machine, needed if several run, and the folder that is made, or where a "
                     "`plugbay restore` listens, or - for standard output")
        ->type_name("[MACHINE] DIR|unix:PATH|tcp:ADDRESS:PORT|-")
        ->required()
        ->expected(1, most_names);
    checkpoint->add_option("--contents", arguments.contents, "what is saved; all without it")
        ->check(CLI::IsMember({"all", "devices", "memory"}));
    checkpoint->add_flag("--incremental", arguments.incremental,
                         "only the memory that was written since the last checkpoint, which stays beside it");
    checkpoint->add_flag("--track", arguments.track, "so that the next one can be incremental");
    checkpoint->add_flag("--replace", arguments.replace, "a checkpoint that has this name");
    checkpoint->add_flag("--checksum-disks", arguments.checksum_disks,
                         "so that a restore compares what is in the disks' files; reads all of them");
    checkpoint->add_flag("--move", arguments.move,
                         "the machine goes on at the other side of the Unix socket, and ends here");
    checkpoint
        ->add_option("--pause", arguments.pause,
                     "what is sent: how long the guest may stand still for its memory; 20 without it")
        ->type_name("MILLISECONDS");
    checkpoint
        ->add_option("--rounds", arguments.rounds,
                     "what is sent: how often memory is sent at most before the guest stands still; 20 "
                     "without it")
        ->type_name("N");
    checkpoint->add_flag("--json", arguments.json, "for programs");
    return checkpoint;
}

int schema_command(const std::vector<std::filesystem::path>& plugins) {
    const auto table =
        MasterDeviceTable::build({.files = plugins, .directories = default_plugin_directories()});
    std::cout << machine_schema(TableCatalog(table)).dump(2) << '\n';
    return exit_status::success;
}

int list_devices(const DevicesOptions& options) {
    if (const auto done = devices_command(std::cout, options); !done) {
        std::cerr << "plugbay devices: " << done.error().text() << '\n';
        return exit_status::failure;
    }
    return exit_status::success;
}

CLI::App* add_ctl(CLI::App& app, CtlOptions& options) {
    auto* ctl = app.add_subcommand("ctl", "tell a running machine what to do; a prompt without a command");
    ctl->add_option("-m,--machine", options.machine, "which: a name, or the path of a control socket")
        ->type_name("NAME");
    ctl->add_flag("--json", options.json, "results for programs");
    ctl->footer("[MACHINE] COMMAND follow; the machine may be left out if only one runs. `plugbay ctl help` "
                "lists the "
                "commands.");
    ctl->prefix_command();
    return ctl;
}

CLI::App* add_dev(CLI::App& app, DevOptions& options) {
    auto* dev = app.add_subcommand("dev", "build a plugin on save and swap it into a running machine");
    dev->add_option("DIR", options.folder, "the folder with the plugin's sources")->required();
    auto* machine =
        dev->add_option("--machine", options.machine, "run this machine file")->type_name("CONFIG");
    dev->add_option(
           "--socket", options.socket,
           "join this machine: a name, or the path of a control socket; without either option, the only "
           "one that runs")
        ->type_name("NAME_OR_PATH")
        ->excludes(machine);
    dev->add_option("--build", options.build, "how it is built; without it, with CMake or Make")
        ->type_name("COMMAND");
    dev->add_option("--test", options.test, "how it is tested; without it, with ctest, if it has tests")
        ->type_name("COMMAND");
    dev->add_flag("--despite-tests", options.despite_tests, "swap also what fails its tests");
    return dev;
}

CLI::App* add_new(CLI::App& app, NewOptions& options) {
    auto* command = app.add_subcommand("new", "make a folder with a device that works, to go on from");
    command->add_option("TYPE", options.type, "the device type's name, such as temperature-sensor")
        ->required();
    command->add_option("--lang", options.language, "cpp (the default), c or rust")->type_name("LANGUAGE");
    command->add_option("--kind", options.kind, "mmio (the default), pio, pci, virtio or backend")
        ->type_name("KIND");
    command
        ->add_option("--directory", options.folder, "the folder to make; without it, one named like the type")
        ->type_name("DIR");
    return command;
}

int make_device(const NewOptions& options) {
    const auto done = new_command(std::cout, options);
    if (done) return exit_status::success;
    std::cerr << "plugbay new: " << done.error().text() << '\n';
    return exit_status::failure;
}

CLI::App* add_validate(CLI::App& app, ValidateCommand& command) {
    validation::ValidateOptions& options = command.options;
    auto* validate =
        app.add_subcommand("validate", "try what every plugin has to do; status 0: nothing failed");
    validate->add_option("FILE", options.file, "the plugin");
    validate->add_flag("--json", command.json, "results for programs");
    validate->add_flag("--list", command.list, "list the checks, and do nothing");
    validate->add_flag("--findings", command.findings, "print only what did not pass, and the sum");
    validate->add_option("--include", options.include, "only checks with these ids, such as PB-STATE-*")
        ->type_name("PATTERN");
    validate->add_option("--type", options.types, "only these device types of the plugin")
        ->type_name("TYPE")
        ->allow_extra_args(false);
    validate
        ->add_option("--set", options.settings,
                     "a property's value for all checks, where its default cannot do")
        ->type_name("[TYPE.]NAME=VALUE")
        ->allow_extra_args(false);
    validate->add_option("--kept", options.kept, "a field of the state that a reset rightly leaves alone")
        ->type_name("[TYPE.]FIELD")
        ->allow_extra_args(false);
    validate
        ->add_option("--peer", options.peers, "another device for a port, where no fake speaks its interface")
        ->type_name("FILE[:TYPE]")
        ->allow_extra_args(false);
    validate->add_option("--seed", options.seed, "of everything that is random; 1 without it");
    const auto seconds = [&](const char* name, std::chrono::seconds& value, const char* help) {
        validate
            ->add_option_function<std::uint32_t>(
                name, [&value](std::uint32_t number) { value = std::chrono::seconds(number); }, help)
            ->type_name("SECONDS")
            ->check(CLI::Range(1U, longest_timeout));
    };
    seconds("--fuzz", options.fuzz, "live at random for this long, with the seed and those that follow");
    seconds("--limit", options.limit, "for each check; 60 without it");
    validate->add_flag("--in-process", options.in_process,
                       "no process for each check and no limits, for debuggers");
    return validate;
}

// What shells' completion, the build and a running machine ask for; no part of the interface. Nothing: it is neither.
std::optional<int> answer_tools(const CLI::App& app, std::span<char* const> arguments) {
    if (arguments.size() < 2) return std::nullopt;
    const std::string_view first = arguments[1];
    if (first == "--complete") {
        for (const auto& each : command_completions(app, {arguments.begin() + 2, arguments.end()}))
            std::cout << each << '\n';
        return exit_status::success;
    }
    if (first == rehearsal::command) return rehearse_as_child();
    if (first == validation::check_command) return validation::check_as_child();
    if (first != "--man-page") return std::nullopt;
    std::cout << man_page(app);
    return exit_status::success;
}

int main(int argc, char** argv) {
    CLI::App app("plugbay: a KVM virtual machine monitor whose every device is a plugin", "plugbay");
    app.set_version_flag("--version", std::string("plugbay ") + version_text);
    app.require_subcommand(1);
    LogOptions log_options;
    add_log_arguments(app, log_options);

    MachineArguments machine;
    auto* run = app.add_subcommand("run", "run a machine");
    add_machine_arguments(*run, machine);
    RunOptions run_options;
    bool daemonize = false;
    add_run_options(*run, run_options, daemonize);
    bool dry_run = false;
    run->add_flag("--dry-run", dry_run, "print the machine with all defaults, and make nothing");
    run->add_option("--gdb", run_options.gdb, "wait for GDB before the guest's first instruction")
        ->type_name("[ADDRESS:]PORT|unix:PATH");
    run->add_option("--trace", run_options.trace, "print the guest's accesses to these devices")
        ->type_name("DEVICE[,DEVICE]...")
        ->delimiter(',');
    auto* check = app.add_subcommand("check", "check a machine file, without running it");
    add_machine_arguments(*check, machine);
    bool check_json = false;
    check->add_flag("--json", check_json, "the mistakes as an array, for programs");

    RestoreArguments restore_arguments;
    auto* restore = add_restore(app, restore_arguments);
    add_run_options(*restore, run_options, daemonize);
    CheckpointArguments checkpoint_arguments;
    auto* checkpoint = add_checkpoint(app, checkpoint_arguments);

    CtlOptions ctl_options;
    auto* ctl = add_ctl(app, ctl_options);
    DevOptions dev_options;
    auto* dev = add_dev(app, dev_options);
    bool ps_json = false;
    auto* ps = app.add_subcommand("ps", "list the machines that run");
    ps->add_flag("--json", ps_json, "for programs");
    std::string top_machine;
    auto* top = app.add_subcommand("top", "watch what a running machine does");
    top->add_option("MACHINE", top_machine, "which; needed if several run");

    DevicesOptions devices_options;
    devices_options.search.directories = default_plugin_directories();
    auto* devices =
        app.add_subcommand("devices", "list the device types, or show one with its properties and registers");
    devices->add_option("TYPE", devices_options.type, "the device type to show");
    devices->add_flag("--json", devices_options.json, "for programs");
    devices->add_option("--plugin", devices_options.search.files, "look into this plugin too")
        ->type_name("FILE");

    InspectOptions inspect_options;
    auto* inspect =
        app.add_subcommand("inspect", "say what a plugin file or a checkpoint is, without running it");
    inspect->add_option("FILE", inspect_options.path, "the plugin, or the checkpoint's folder")->required();
    inspect->add_flag("--verify", inspect_options.verify, "compare a checkpoint's memory with its checksums");
    inspect->add_flag("--json", inspect_options.json, "for programs");

    NewOptions new_options;
    auto* new_device = add_new(app, new_options);
    ValidateCommand validate_options;
    auto* validate = add_validate(app, validate_options);

    std::vector<std::filesystem::path> schema_plugins;
    auto* schema = app.add_subcommand("schema", "print the JSON Schema of machine files");
    schema->add_option("--plugin", schema_plugins, "describe this plugin's device types too")
        ->type_name("FILE");

    bool doctor_json = false;
    auto* doctor = app.add_subcommand("doctor", "say what this machine's KVM can do");
    doctor->add_flag("--json", doctor_json, "for programs");

    if (const auto status = answer_tools(app, {argv, static_cast<std::size_t>(argc)})) return *status;
    try {
        app.parse(argc, argv);
    } catch (const CLI::RequiredError& error) {
        // "A subcommand is required" alone would not say which word was taken for none.
        if (const auto unknown = app.remaining(); app.get_subcommands().empty() && !unknown.empty())
            std::cerr << "there is no command \"" << unknown.front() << "\"\n";
        app.exit(error);
        return exit_status::usage;
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? exit_status::success : exit_status::usage;
    }
    std::unique_ptr<Daemon> daemon;
    if (daemonize && !dry_run) { // before there is a thread
        auto split = Daemon::split();
        if (!split) {
            std::cerr << "plugbay: " << split.error().text() << '\n';
            return exit_status::failure;
        }
        if (const int* status = std::get_if<int>(&*split)) return *status;
        daemon = std::get<std::unique_ptr<Daemon>>(std::move(*split));
        run_options.daemon = daemon.get();
    }
    if (const auto started = start_log(log_options); !started) {
        std::cerr << "plugbay: " << started.error().text() << '\n';
        return exit_status::failure;
    }

    if (run->parsed()) {
        return dry_run ? dry_run_command(machine, std::cout) : run_command(machine, run_options);
    }
    if (restore->parsed()) return restore_command(restore_arguments, run_options);
    if (checkpoint->parsed()) return checkpoint_command(checkpoint_arguments);
    if (check->parsed()) return check_command(machine, std::cout, check_json);
    if (ctl->parsed()) {
        ctl_options.words = ctl->remaining();
        return ctl_command(std::move(ctl_options));
    }
    if (dev->parsed()) return dev_command(dev_options);
    if (top->parsed()) return top_command(top_machine);
    if (ps->parsed()) return ps_command(std::cout, ps_json);
    if (devices->parsed()) return list_devices(devices_options);
    if (inspect->parsed()) return inspect_command(std::cout, inspect_options);
    if (new_device->parsed()) return make_device(new_options);
    if (validate->parsed()) return validate_command(std::cout, validate_options);
    if (schema->parsed()) return schema_command(schema_plugins);
    if (doctor->parsed()) return doctor_command(std::cout, doctor_json);
    return exit_status::usage;
}

} // namespace
} // namespace plugbay::core

int main(int argc, char** argv) {
    try {
        const int status = plugbay::core::main(argc, argv);
        plugbay::core::flush_log();
        if (std::cout.flush()) return status;
        std::cerr << "plugbay: standard output cannot be written: the disk may be full, or its reader gone\n";
        return plugbay::core::exit_status::failure;
    } catch (const std::exception& error) { // out of memory, or a defect of ours
        plugbay::core::flush_log();
        std::cerr << "plugbay: " << error.what() << '\n';
        return plugbay::core::exit_status::failure;
    }
}
