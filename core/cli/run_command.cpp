#include "core/cli/run_command.hpp"

#include "core/base/log.hpp"
#include "core/cli/exit_status.hpp"
#include "core/machine/machine.hpp"

#include <nlohmann/json.hpp>

#include <csignal>
#include <iostream>
#include <pthread.h>
#include <unistd.h>

namespace plugbay::core {

namespace {

int report(const RunOutcome& outcome) {
    switch (outcome.kind) {
    case RunOutcome::Kind::power_off:
        spdlog::info("the guest powered off (device \"{}\")", outcome.device);
        return exit_status::success;
    case RunOutcome::Kind::reset:
        spdlog::info("the guest asked for a reset (device \"{}\"), which ends this machine", outcome.device);
        return exit_status::success;
    case RunOutcome::Kind::exit:
        return static_cast<int>(outcome.number);
    case RunOutcome::Kind::signal:
        spdlog::info("stopped by signal {}", outcome.number);
        return exit_status::signal_base + static_cast<int>(outcome.number);
    case RunOutcome::Kind::guest_failure:
        spdlog::error("{}", outcome.failure.summary);
        for (const std::string& line : outcome.failure.details)
            spdlog::error("{}", line);
        return exit_status::guest_failure;
    }
    return exit_status::failure;
}

// One a line, with the source line below on a terminal.
void tell_mistakes(std::span<const Diagnostic> mistakes) {
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    for (const Diagnostic& mistake : mistakes)
        std::cerr << (terminal ? text_with_source(mistake) : text_of(mistake)) << '\n';
}

// The machine waits for these with signalfd; every thread made from here on inherits the mask.
void block_ending_signals() {
    sigset_t mask;
    ::sigemptyset(&mask);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1})
        ::sigaddset(&mask, number);
    ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
    std::signal(SIGPIPE,
                SIG_IGN); // a closed terminal or socket is an error of its write, not the end of the guest
}

} // namespace

int run_command(const MachineArguments& arguments) {
    auto loaded = load_machine(arguments, std::cerr, tell_mistakes);
    if (!loaded) return exit_status::usage;
    block_ending_signals();
    auto machine = Machine::create(loaded->config, loaded->device_types);
    if (!machine) {
        spdlog::error("{}", machine.error().text());
        return exit_status::failure;
    }
    spdlog::info("{}: {}", loaded->config.name, (*machine)->boot_summary());
    auto outcome = (*machine)->run();
    machine->reset(); // devices go (and terminals are themselves again) before anything is said
    if (!outcome) {
        spdlog::error("{}", outcome.error().text());
        return exit_status::failure;
    }
    return report(*outcome);
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
