#include "core/kvm/kick_signal.hpp"

#include <csignal>
#include <mutex>
#include <sys/syscall.h>
#include <unistd.h>

namespace plugbay::core {

namespace {
// SIGRTMIN is a call into the C library, so it is no constant.
int kick_signal_number() {
    return SIGRTMIN;
}
} // namespace

void install_kick_signal() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        action.sa_flags = SA_RESTART;
        ::sigaction(kick_signal_number(), &action, nullptr);
    });
}

void unblock_kick_signal() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, kick_signal_number());
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

int kernel_thread_id() {
    thread_local const int id = static_cast<int>(::syscall(SYS_gettid));
    return id;
}

void kick_thread(int kernel_thread_id) {
    // By the kernel's id and not by pthread_t, which must not be used once its thread has ended.
    ::syscall(SYS_tgkill, ::getpid(), kernel_thread_id, kick_signal_number());
}

} // namespace plugbay::core
