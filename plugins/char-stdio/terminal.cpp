#include "terminal.hpp"

#include <csignal>

#include <pthread.h>
#include <unistd.h>

Terminal::Terminal(int descriptor) : descriptor_(descriptor), present_(isatty(descriptor) == 1) {}

// A terminal that is not our controlling one (tcgetpgrp fails) never stops us.
bool Terminal::in_foreground() const {
    const pid_t group = tcgetpgrp(descriptor_);
    return group < 0 || group == getpgrp();
}

// Output processing stays as it is: line ends in the monitor's own messages keep working.
void Terminal::make_raw() {
    if (!present_ || !in_foreground() || (!raw_ && tcgetattr(descriptor_, &former_) != 0)) return;
    termios settings = former_;
    settings.c_iflag &=
        ~static_cast<tcflag_t>(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    settings.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    settings.c_cflag &= ~static_cast<tcflag_t>(CSIZE | PARENB);
    settings.c_cflag |= CS8;
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    apply(settings);
    raw_ = true;
}

void Terminal::take_over(const termios& former) {
    if (!present_) return;
    former_ = former;
    raw_ = true;
}

void Terminal::restore() {
    if (!raw_) return;
    raw_ = false;
    if (in_foreground()) apply(former_);
}

// With SIGTTOU blocked, losing the terminal in between does not stop us.
void Terminal::apply(const termios& settings) const {
    sigset_t blocked;
    sigset_t former;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &blocked, &former);
    tcsetattr(descriptor_, TCSANOW, &settings);
    pthread_sigmask(SIG_SETMASK, &former, nullptr);
}
