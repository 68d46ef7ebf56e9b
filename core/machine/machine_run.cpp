// The control thread's loop: waits for signals and for what vCPUs and devices ask.
#include "core/base/errno_error.hpp"
#include "core/base/log.hpp"
#include "core/machine/device_tree.hpp"
#include "core/machine/machine.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

namespace plugbay::core {

Result<RunOutcome> Machine::run() {
    sigset_t mask;
    ::sigemptyset(&mask);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1})
        ::sigaddset(&mask, number);
    const UniqueFd signals(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return errno_error("cannot wait for signals");

    if (!paused()) run_guest();
    for (;;) {
        auto outcome = wait_for_event(signals.get());
        if (!outcome) return outcome;
        if (outcome->kind == RunOutcome::Kind::reset && config_.on_reset == OnReset::restart) {
            spdlog::info("device \"{}\" asks for a reset: starting again", outcome->device);
            if (auto done = reset(); !done) return with_context("reset", std::move(done).error());
            continue;
        }
        stop_guest();
        return outcome;
    }
}

// Blocks until there is a reason to stop or to reset.
Result<RunOutcome> Machine::wait_for_event(int signals) {
    for (;;) {
        std::array<pollfd, 2> sources{{{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                                       {.fd = signals, .events = POLLIN, .revents = 0}}};
        if (::poll(sources.data(), sources.size(), -1) < 0 && errno != EINTR) return errno_error("poll");
        eventfd_t ignored = 0;
        ::eventfd_read(wake_.get(), &ignored);
        run_commands();
        {
            const std::lock_guard guard(mutex_);
            if (ending_) return *ending_;
        }
        signalfd_siginfo signal{};
        if (::read(signals, &signal, sizeof signal) != sizeof signal) continue;
        if (signal.ssi_signo == SIGUSR1) {
            std::fputs(tree_text(describe(*devices_)).c_str(), stderr);
        } else {
            return RunOutcome{.kind = RunOutcome::Kind::signal, .number = signal.ssi_signo};
        }
    }
}

void Machine::run_commands() {
    if (auto done = hot_plug_->process(); !done) spdlog::error("hot plug: {}", done.error().text());
    std::deque<Command> commands;
    {
        const std::lock_guard guard(mutex_);
        commands.swap(commands_);
    }
    for (const Command& command : commands)
        command(*this);
}

} // namespace plugbay::core
