#include "pseudo_terminal.hpp"

#include <plugbay/failure.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

namespace {

// "": there is no symbolic link.
std::string read_link(const std::string& path) {
    std::array<char, PATH_MAX> target{};
    const ssize_t length = readlink(path.c_str(), target.data(), target.size());
    return length < 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(length));
}

[[noreturn]] void fail(int error) {
    throw plugbay::Failure(std::string("a pseudo-terminal cannot be made: ") + std::strerror(error) +
                           "; /dev/pts must be mounted, and /proc/sys/kernel/pty/max limits their number");
}

} // namespace

PseudoTerminal::PseudoTerminal() : descriptor_(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {
    if (!descriptor_ || grantpt(descriptor_.get()) != 0 || unlockpt(descriptor_.get()) != 0) fail(errno);
    find_path();
    make_raw();
    // Until the far end has been closed once, "nobody is there" looks like "somebody is".
    const plugbay::UniqueFd far_end(open(path_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
}

PseudoTerminal::PseudoTerminal(plugbay::UniqueFd descriptor) : descriptor_(std::move(descriptor)) {
    find_path();
}

void PseudoTerminal::find_path() {
    std::array<char, PATH_MAX> name{};
    if (ptsname_r(descriptor_.get(), name.data(), name.size()) != 0) fail(errno);
    path_ = name.data();
}

void PseudoTerminal::make_raw() const {
    termios settings{};
    if (tcgetattr(descriptor_.get(), &settings) != 0) return;
    cfmakeraw(&settings);
    tcsetattr(descriptor_.get(), TCSANOW, &settings);
}

bool PseudoTerminal::has_user() const {
    pollfd entry{descriptor_.get(), 0, 0};
    return poll(&entry, 1, 0) == 0;
}

std::size_t PseudoTerminal::read(std::span<std::uint8_t> bytes) const {
    const ssize_t count = ::read(descriptor_.get(), bytes.data(), bytes.size());
    return count > 0 ? static_cast<std::size_t>(count) : 0;
}

std::size_t PseudoTerminal::write(std::span<const std::uint8_t> bytes) const {
    const ssize_t count = ::write(descriptor_.get(), bytes.data(), bytes.size());
    return count > 0 ? static_cast<std::size_t>(count) : 0;
}

TerminalLink::TerminalLink(std::string path, std::string target)
    : path_(std::move(path)), target_(std::move(target)) {
    const std::string former = read_link(path_);
    if (former == target_) return;
    struct stat facts {};
    if (former.starts_with("/dev/pts/") && lstat(former.c_str(), &facts) != 0) unlink(path_.c_str());
    if (symlink(target_.c_str(), path_.c_str()) == 0) return;
    const int error = errno;
    throw plugbay::Failure("the link " + path_ + " cannot be made: " + std::strerror(error) +
                           (error != EEXIST  ? ""
                            : former.empty() ? "; it is no link: choose another place"
                                             : "; it leads to " + former +
                                                   ", which exists: remove it, or choose another place"));
}

TerminalLink::~TerminalLink() {
    if (!path_.empty() && read_link(path_) == target_) unlink(path_.c_str());
}
