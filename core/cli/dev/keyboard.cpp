#include "core/cli/dev/keyboard.hpp"

#include <array>
#include <unistd.h>

namespace plugbay::core::dev {

Keyboard::Keyboard() : present_(::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0) {
    if (present_ && ::tcgetattr(STDIN_FILENO, &before_) != 0) present_ = false;
    take_all(false);
}

Keyboard::~Keyboard() {
    if (present_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

int Keyboard::descriptor() const {
    return present_ ? STDIN_FILENO : -1;
}

std::string Keyboard::read() {
    std::array<char, 256> keys;
    const ssize_t size = ::read(STDIN_FILENO, keys.data(), keys.size());
    if (size <= 0) present_ = false;
    return {keys.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

void Keyboard::take_all(bool all) const {
    if (!present_) return;
    termios settings = before_;
    settings.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    settings.c_cc[VSUSP] = _POSIX_VDISABLE; // it would stop us alone, with the terminal as it is here
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    if (all) {
        settings.c_iflag &= ~static_cast<tcflag_t>(ICRNL | INLCR | IGNCR | IXON);
        settings.c_lflag &= ~static_cast<tcflag_t>(ISIG | IEXTEN);
    }
    ::tcsetattr(STDIN_FILENO, TCSANOW, &settings);
}

} // namespace plugbay::core::dev
