#include "core/base/thread_setup.hpp"

#include <csignal>
#include <pthread.h>

namespace plugbay::core {

void set_up_thread(const std::string& name) {
    ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
    sigset_t blocked;
    ::sigfillset(&blocked);
    for (const int crash : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT})
        ::sigdelset(&blocked, crash);
    ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
}

} // namespace plugbay::core
