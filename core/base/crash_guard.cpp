#include "core/base/crash_guard.hpp"

#include <array>
#include <csignal>
#include <mutex>
#include <utility>

namespace plugbay::core {

namespace detail {
thread_local sigjmp_buf* volatile guarded_call = nullptr;
} // namespace detail

namespace {

constexpr std::array<std::pair<int, const char*>, 5> crashes{
    {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGFPE, "SIGFPE"}, {SIGILL, "SIGILL"}, {SIGABRT, "SIGABRT"}}};

struct Handlers {
    std::mutex mutex;
    int users = 0;
    std::array<struct sigaction, crashes.size()> before{};
};
Handlers& handlers() {
    static Handlers all;
    return all;
}

void handle(int signal) {
    if (sigjmp_buf* const place = detail::guarded_call) siglongjmp(*place, signal);
    // Somebody else's: it happens again when this returns, and is handled as it was before.
    for (std::size_t i = 0; i < crashes.size(); ++i) {
        if (crashes[i].first == signal) ::sigaction(signal, &handlers().before[i], nullptr);
    }
    if (signal == SIGABRT) ::raise(signal);
}

} // namespace

CrashHandlers::CrashHandlers() {
    Handlers& all = handlers();
    const std::lock_guard guard(all.mutex);
    if (all.users++ != 0) return;
    struct sigaction action {};
    action.sa_handler = &handle;
    action.sa_flags = SA_NODEFER; // the handler is left by a jump, which restores no mask
    for (std::size_t i = 0; i < crashes.size(); ++i)
        ::sigaction(crashes[i].first, &action, &all.before[i]);
}

CrashHandlers::~CrashHandlers() {
    Handlers& all = handlers();
    const std::lock_guard guard(all.mutex);
    if (--all.users != 0) return;
    for (std::size_t i = 0; i < crashes.size(); ++i)
        ::sigaction(crashes[i].first, &all.before[i], nullptr);
}

const char* crash_name(int signal) {
    for (const auto& [number, name] : crashes) {
        if (number == signal) return name;
    }
    return "a signal";
}

} // namespace plugbay::core
