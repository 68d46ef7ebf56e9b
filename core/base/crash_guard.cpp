#include "core/base/crash_guard.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace plugbay::core {

namespace detail {
thread_local sigjmp_buf* volatile guarded_call = nullptr;
} // namespace detail

namespace {

// As long as the thread. None is made when there is no memory: crashes but for a stack that is used up do not need it.
class SignalStack {
  public:
    SignalStack() {
        stack_t others{};
        // A sanitizer's, or a plugin's.
        if (::sigaltstack(nullptr, &others) != 0 || (others.ss_flags & SS_DISABLE) == 0) return;
        void* const memory =
            ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (memory == MAP_FAILED) return;
        memory_ = memory;
        stack_t ours{};
        ours.ss_sp = memory_;
        ours.ss_size = size_;
        ::sigaltstack(&ours, nullptr);
    }
    SignalStack(const SignalStack&) = delete;
    SignalStack& operator=(const SignalStack&) = delete;
    ~SignalStack() {
        if (memory_ == nullptr) return;
        stack_t now{};
        ::sigaltstack(nullptr, &now);
        stack_t none{};
        none.ss_flags = SS_DISABLE;
        if (now.ss_sp == memory_) ::sigaltstack(&none, nullptr);
        ::munmap(memory_, size_);
    }

  private:
    // What the processor's registers take varies; the rest is for a handler that comes while ours runs.
    const std::size_t size_ =
        std::max(static_cast<std::size_t>(std::max(::sysconf(_SC_SIGSTKSZ), 0L)), std::size_t{64} << 10);
    void* memory_ = nullptr;
};

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

void detail::provide_signal_stack() {
    static thread_local const SignalStack stack;
}

CrashHandlers::CrashHandlers() {
    Handlers& all = handlers();
    const std::lock_guard guard(all.mutex);
    if (all.users++ != 0) return;
    struct sigaction action {};
    action.sa_handler = &handle;
    // The handler is left by a jump, which restores no mask. The kernel takes the stack pointer's word for whether a signal's
    // stack is in use, so that it is free again after the jump.
    action.sa_flags = SA_NODEFER | SA_ONSTACK;
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
