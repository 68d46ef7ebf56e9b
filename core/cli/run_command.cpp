#include "core/cli/run_command.hpp"

#include "core/base/log.hpp"
#include "core/base/nearest_name.hpp"
#include "core/base/utf8.hpp"
#include "core/cli/access_printer.hpp"
#include "core/cli/daemon.hpp"
#include "core/cli/exit_status.hpp"
#include "core/cli/service_manager.hpp"
#include "core/config/resolved_machine.hpp"
#include "core/config/table_catalog.hpp"
#include "core/debug/gdb_server.hpp"
#include "core/hotswap/staging.hpp"
#include "core/machine/machine.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <pthread.h>
#include <unistd.h>

namespace plugbay::core {

namespace {

// Why it ended, in one line.
std::string reason_of(const RunOutcome& outcome) {
    switch (outcome.kind) {
    case RunOutcome::Kind::power_off:
        return fmt::format("the guest powered off (device \"{}\")", outcome.device);
    case RunOutcome::Kind::reset:
        return fmt::format("the guest asked for a reset (device \"{}\"), which ends this machine",
                           outcome.device);
    case RunOutcome::Kind::exit:
        return fmt::format("device \"{}\" ended the machine with status {}", outcome.device, outcome.number);
    case RunOutcome::Kind::signal:
        return fmt::format("stopped by signal {}", outcome.number);
    case RunOutcome::Kind::quit:
        return "ended by its control socket";
    case RunOutcome::Kind::moved:
        return "it goes on in another process";
    case RunOutcome::Kind::timeout:
        return "the time that --timeout gives is over, so the guest was stopped";
    case RunOutcome::Kind::guest_failure:
        return outcome.failure.summary;
    }
    return {};
}

// Why there is no machine, or none any more: on standard error wherever the log goes.
void tell_failure(const std::string& text) {
    log_for(Subsystem::machine).error("{}", text);
    if (!log_is_on_standard_error()) std::cerr << "error: " << printable_text(text) << '\n';
}

int report(const RunOutcome& outcome) {
    spdlog::logger& log = log_for(Subsystem::machine);
    switch (outcome.kind) {
    case RunOutcome::Kind::power_off:
    case RunOutcome::Kind::reset:
    case RunOutcome::Kind::quit:
    case RunOutcome::Kind::moved:
        log.info("{}", reason_of(outcome));
        return exit_status::success;
    case RunOutcome::Kind::exit:
        return static_cast<int>(outcome.number);
    case RunOutcome::Kind::signal:
        log.info("{}", reason_of(outcome));
        return exit_status::signal_base + static_cast<int>(outcome.number);
    case RunOutcome::Kind::guest_failure:
        tell_failure(reason_of(outcome));
        for (const std::string& line : outcome.failure.details)
            log.error("{}", line);
        return exit_status::guest_failure;
    case RunOutcome::Kind::timeout:
        tell_failure(reason_of(outcome));
        return exit_status::timeout;
    }
    return exit_status::failure;
}

std::vector<std::string> ids_of(const MachineConfig& config) {
    std::vector<std::string> ids;
    for (const DeviceConfig& device : config.devices)
        ids.push_back(device.id);
    return ids;
}

// The machine waits for these with signalfd; every thread made from here on inherits the mask.
void block_signals() {
    sigset_t mask;
    ::sigemptyset(&mask);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGWINCH})
        ::sigaddset(&mask, number);
    ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
    std::signal(SIGPIPE,
                SIG_IGN); // a closed terminal or socket is an error of its write, not the end of the guest
}

// The guest waits for the debugger, before its first instruction.
Result<std::unique_ptr<GdbServer>> start_debugging(Machine& machine, const SocketAddress& address) {
    if (auto paused = machine.pause(); !paused) return std::move(paused).error();
    auto server = GdbServer::start(machine, address);
    if (server)
        std::cerr << "the guest waits for: gdb -ex 'target remote " << (*server)->place() << "'" << std::endl;
    return server;
}

Result<void> check_traced(std::span<const std::string> traced, std::span<const std::string> devices) {
    for (const std::string& id : traced) {
        if (std::ranges::find(devices, id) != devices.end()) continue;
        const std::string near = nearest_name(id, devices);
        return Error{"there is no device \"" + id + "\"", near.empty()
                                                              ? "the machine's devices have other ids"
                                                              : "did you mean \"" + near + "\"?"};
    }
    return {};
}

Error needs_socket() {
    return Error{"a machine in the background needs a control socket", "leave out \"--control none\""};
}

Result<void> tell_ready(Daemon& daemon, const MachineControl& control) {
    if (control.place().empty()) return needs_socket();
    return daemon.ready(control.place());
}

} // namespace

void tell_mistakes(std::span<const Diagnostic> mistakes) {
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    for (const Diagnostic& mistake : mistakes)
        std::cerr << (terminal ? text_with_source(mistake) : text_of(mistake)) << '\n';
}

int run_command(const MachineArguments& arguments, const RunOptions& options) {
    auto loaded = load_machine(arguments, std::cerr, tell_mistakes);
    if (!loaded) return exit_status::usage;
    const auto make = [](LoadedMachine& from) { return Machine::create(from.config, from.device_types); };
    return run_loaded(*loaded, make, false, options);
}

int run_loaded(LoadedMachine& loaded, const MakeMachine& make, bool goes_on, const RunOptions& options) {
    const auto gdb_address = parse_socket_address(options.gdb.empty() ? "0" : options.gdb, "the GDB server");
    if (!gdb_address) {
        std::cerr << "plugbay --gdb: " << gdb_address.error().text() << '\n';
        return exit_status::usage;
    }
    if (const auto names = check_level_names(ids_of(loaded.config)); !names) {
        std::cerr << "plugbay: " << names.error().text() << '\n';
        return exit_status::usage;
    }
    if (const auto traced = check_traced(options.trace, ids_of(loaded.config)); !traced) {
        std::cerr << "plugbay run --trace: " << traced.error().text() << '\n';
        return exit_status::usage;
    }
    if (options.daemon != nullptr && options.control.socket == "none") {
        tell_failure(needs_socket().text());
        return exit_status::failure;
    }
    const auto service_manager = ServiceManager::of_environment();
    block_signals();
    const auto copies = std::make_shared<Staging>();
    loaded.device_types.load_by(
        [copies](const PluginDescription& description) { return copies->load(description); });
    auto machine = make(loaded);
    const auto failed = [](const Error& error) {
        tell_failure(error.text());
        return exit_status::failure;
    };
    if (!machine) return failed(machine.error());
    log_for(Subsystem::boot).info("{}: {}", loaded.config.name, (*machine)->boot_summary());
    if (options.paused) {
        if (auto paused = (*machine)->pause(); !paused) return failed(paused.error());
    }
    std::optional<AccessPrinter> printer;
    if (!options.trace.empty()) {
        printer.emplace((*machine)->devices());
        if (auto started = printer->start(options.trace); !started) return failed(started.error());
    }
    auto control = MachineControl::start(options.control, **machine, loaded.device_types);
    if (!control) return failed(control.error());
    if (!options.gdb.empty()) {
        auto started = start_debugging(**machine, *gdb_address);
        if (!started) return failed(started.error());
        (*control)->debugger() = std::move(*started);
    }
    if (options.daemon != nullptr) {
        if (auto ready = tell_ready(*options.daemon, **control); !ready) {
            if (!options.control.moved) return failed(ready.error());
            log_for(Subsystem::machine)
                .warn("{}; the machine has moved here, so it runs on", ready.error().text());
            options.daemon->leave();
        }
    }
    const bool resumes = goes_on && !options.paused && options.gdb.empty();
    (*machine)->post([&](Machine& running) {
        if (auto resumed = resumes ? running.resume() : Result<void>(); !resumed) {
            tell_failure(resumed.error().text());
            running.quit();
        }
        service_manager.ready(loaded.config.name +
                              (running.paused() ? ": the guest is paused" : ": the guest runs"));
    });
    auto outcome = (*machine)->run(options.timeout);
    service_manager.stopping(loaded.config.name + ": the machine ends");
    if (auto& gdb = (*control)->debugger()) gdb->machine_ended();
    (*control)->tell_ended(outcome ? reason_of(*outcome) : outcome.error().text());
    if (const std::string hanging = (*machine)->hanging(); !hanging.empty()) {
        tell_failure(hanging + "; the process ends without it");
        const int status = outcome ? report(*outcome) : failed(outcome.error());
        flush_log();
        ::_exit(status);
    }
    control->reset();
    printer.reset();
    machine->reset(); // devices go (and terminals are themselves again) before anything is said
    if (!outcome) return failed(outcome.error());
    return report(*outcome);
}

int dry_run_command(const MachineArguments& arguments, std::ostream& out) {
    const auto loaded = load_machine(arguments, std::cerr, tell_mistakes);
    if (!loaded) return exit_status::usage;
    const auto machine = resolved_machine(loaded->config, TableCatalog(loaded->device_types));
    out << machine.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
    return exit_status::success;
}

int check_command(const MachineArguments& arguments, std::ostream& out, bool json) {
    const auto tell_json = [&](std::span<const Diagnostic> mistakes) {
        out << json_of(mistakes).dump(2) << '\n';
    };
    const auto loaded = json ? load_machine(arguments, std::cerr, tell_json)
                             : load_machine(arguments, std::cerr, tell_mistakes);
    if (!loaded) return exit_status::usage;
    if (!json) out << arguments.file << ": good, " << loaded->config.devices.size() << " devices\n";
    return exit_status::success;
}

} // namespace plugbay::core
