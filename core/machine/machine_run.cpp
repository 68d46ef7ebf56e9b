// The control thread's loop: waits for signals and for what vCPUs and devices ask.
#include "core/base/errno_error.hpp"
#include "core/machine/device_tree.hpp"
#include "core/machine/machine.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <plugbay/abi/host_event.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace plugbay::core {

namespace {

// Of the terminal that the machine runs on, if it does.
void tell_terminal_size(HostEvents& events) {
    winsize size{};
    if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return;
    events.publish(
        {.kind = PLUGBAY_EVENT_RESIZE, .code = 0, .x = size.ws_col, .y = size.ws_row, .z = 0, .dropped = 0});
}

} // namespace

Result<RunOutcome> Machine::run(std::optional<std::chrono::seconds> limit) {
    sigset_t mask;
    ::sigemptyset(&mask);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGWINCH})
        ::sigaddset(&mask, number);
    const UniqueFd signals(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return errno_error("cannot wait for signals");
    const UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    if (!timer) return errno_error("cannot make a timer");
    if (limit) {
        const itimerspec end{.it_interval = {}, .it_value = {.tv_sec = limit->count(), .tv_nsec = 0}};
        if (::timerfd_settime(timer.get(), 0, &end, nullptr) < 0) return errno_error("cannot start a timer");
    }

    tell_terminal_size(events_);
    if (!paused()) run_guest();
    for (;;) {
        auto outcome = wait_for_event(signals.get(), timer.get());
        if (!outcome) return outcome;
        if (outcome->kind == RunOutcome::Kind::reset && config_.on_reset == OnReset::restart) {
            log_.write(LogLevel::info, "device \"{}\" asks for a reset: starting again", outcome->device);
            if (auto done = reset(); !done) return with_context("reset", std::move(done).error());
            continue;
        }
        static_cast<void>(stop_guest()); // whoever ends the machine asks hanging()
        return outcome;
    }
}

// Blocks until there is a reason to stop or to reset.
Result<RunOutcome> Machine::wait_for_event(int signals, int timer) {
    for (;;) {
        std::array<pollfd, 3> sources{{{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                                       {.fd = timer, .events = POLLIN, .revents = 0},
                                       {.fd = signals, .events = POLLIN, .revents = 0}}};
        if (::poll(sources.data(), sources.size(), wait_limit()) < 0 && errno != EINTR)
            return errno_error("poll");
        eventfd_t ignored = 0;
        ::eventfd_read(wake_.get(), &ignored);
        run_commands();
        {
            const std::lock_guard guard(mutex_);
            if (ending_) return *ending_;
        }
        if (sources[1].revents != 0) return RunOutcome{.kind = RunOutcome::Kind::timeout};
        signalfd_siginfo signal{};
        if (::read(signals, &signal, sizeof signal) != sizeof signal) continue;
        if (signal.ssi_signo == SIGUSR1) {
            std::fputs(tree_text(describe(*devices_)).c_str(), stderr);
        } else if (signal.ssi_signo == SIGWINCH) {
            tell_terminal_size(events_);
        } else {
            return RunOutcome{.kind = RunOutcome::Kind::signal, .number = signal.ssi_signo};
        }
    }
}

int Machine::wait_limit() {
    const std::lock_guard guard(mutex_);
    if (later_.empty()) return -1;
    const auto left = later_.begin()->first - std::chrono::steady_clock::now();
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::clamp<std::int64_t>(milliseconds, 0, 60'000));
}

bool Machine::moved() {
    const std::lock_guard guard(mutex_);
    return ending_ && ending_->kind == RunOutcome::Kind::moved;
}

void Machine::run_commands() {
    if (auto done = hot_plug_->process(); !done)
        log_.write(LogLevel::err, "hot plug: {}", done.error().text());
    std::deque<Command> commands;
    {
        const std::lock_guard guard(mutex_);
        commands.swap(commands_);
        const auto due = later_.upper_bound(std::chrono::steady_clock::now());
        for (auto each = later_.begin(); each != due; each = later_.erase(each))
            commands.push_back(std::move(each->second));
    }
    for (const Command& command : commands) {
        if (moved()) break;
        command(*this);
    }
}

} // namespace plugbay::core
