// Calls into code that may crash, from which one comes back all the same. For builds of devices that are on probation: a
// crash in them ends the call and not the monitor.
#pragma once

#include <csetjmp>

namespace plugbay::core {

// While at least one is there, crashes within guarded calls (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) end these calls. Other
// crashes do what they did before. Thread: any, but not inside a guarded call.
class CrashHandlers {
  public:
    CrashHandlers();
    CrashHandlers(const CrashHandlers&) = delete;
    CrashHandlers& operator=(const CrashHandlers&) = delete;
    ~CrashHandlers();
};

// "SIGSEGV".
[[nodiscard]] const char* crash_name(int signal);

namespace detail {
// Of the calling thread: where its innermost guarded call began.
extern thread_local sigjmp_buf* volatile guarded_call;
// Gives the calling thread a stack for signals, if it has none: its own may be what is used up.
void provide_signal_stack();
} // namespace detail

// Runs `call`; 0, or the signal that ended it. Where it ended nothing of it is undone: locks that it took stay taken, memory
// stays allocated. Needs CrashHandlers. Thread: any; calls may nest.
template <typename Call>
[[nodiscard]] int run_guarded(Call& call) {
    detail::provide_signal_stack();
    sigjmp_buf* const outer = detail::guarded_call;
    sigjmp_buf here;
    const int signal = sigsetjmp(here, 0);
    if (signal == 0) {
        detail::guarded_call = &here;
        call();
    }
    detail::guarded_call = outer;
    return signal;
}

} // namespace plugbay::core
