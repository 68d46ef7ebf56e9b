#include "core/cli/dev/dev_command.hpp"

#include "core/base/errno_error.hpp"
#include "core/cli/dev/dev_loop.hpp"
#include "core/cli/exit_status.hpp"
#include "core/cli/terminal_text.hpp"

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <pthread.h>
#include <sys/signalfd.h>

namespace plugbay::core {

namespace {

int tell(const Error& error, int status) {
    std::cerr << "plugbay dev: " << printable(error.text()) << '\n';
    return status;
}

Result<UniqueFd> take_signals() {
    sigset_t mask;
    ::sigemptyset(&mask);
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
        ::sigaddset(&mask, number);
    ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGTTOU, SIG_IGN);
    UniqueFd signals(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return errno_error("signals cannot be waited for");
    return signals;
}

// For commands that look for the SDK by themselves: --build, --test, and what a Makefile calls.
void show_sdk_to_builds() {
    const auto package = dev::sdk_package();
    if (package.empty()) return;
    const char* before = std::getenv("CMAKE_PREFIX_PATH");
    const std::string prefix = package.parent_path().parent_path().parent_path().string();
    ::setenv("CMAKE_PREFIX_PATH", (before != nullptr ? prefix + ":" + before : prefix).c_str(), 1);
}

} // namespace

int dev_command(const DevOptions& options) {
    auto plan = dev::BuildPlan::make(options.folder, options.build, options.test);
    if (!plan) return tell(plan.error(), exit_status::usage);
    auto watch = dev::SourceWatch::start(plan->folder, !plan->cmake);
    if (!watch) return tell(watch.error(), exit_status::failure);
    std::optional<ControlClient> client;
    if (options.machine.empty()) {
        auto found = ControlClient::find(options.socket);
        if (!found) return tell(found.error(), exit_status::no_machine);
        client.emplace(*std::move(found));
    }
    auto signals = take_signals();
    if (!signals) return tell(signals.error(), exit_status::failure);
    show_sdk_to_builds();
    dev::DevLoop loop(options, *std::move(plan), *std::move(watch), *std::move(signals), std::move(client));
    return loop.run();
}

} // namespace plugbay::core
