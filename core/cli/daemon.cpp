#include "core/cli/daemon.hpp"

#include "core/base/errno_error.hpp"
#include "core/cli/exit_status.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <iostream>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace plugbay::core {

namespace {

// What is no file on a disk would keep a terminal or the reader of a pipe waiting.
void leave_unless_file(int descriptor, int nothing) {
    struct stat status {};
    if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) ::dup2(nothing, descriptor);
}

// Up to the end, or to the end of the line.
std::string read_line(int pipe) {
    std::string line;
    std::array<char, 512> chunk;
    for (;;) {
        const ssize_t size = ::read(pipe, chunk.data(), chunk.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return line;
        line.append(chunk.data(), static_cast<std::size_t>(size));
        if (line.ends_with('\n')) return line;
    }
}

Error nobody_waits() {
    return Error{"whoever started this machine has not waited for it", ""};
}

int wait_for(pid_t background, int pipe) {
    const std::string name = read_line(pipe);
    if (name.ends_with('\n')) {
        std::cout << name;
        return exit_status::success;
    }
    int status = 0;
    while (::waitpid(background, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : exit_status::signal_base + WTERMSIG(status);
}

} // namespace

Result<std::variant<std::unique_ptr<Daemon>, int>> Daemon::split() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("a pipe cannot be made");
    UniqueFd reading(ends[0]);
    UniqueFd writing(ends[1]);
    std::cout.flush(); // else both would write what waits
    const pid_t background = ::fork();
    if (background < 0) return errno_error("the machine cannot go to the background");
    if (background > 0) {
        writing.reset();
        return std::variant<std::unique_ptr<Daemon>, int>(wait_for(background, reading.get()));
    }
    ::setsid();
    const UniqueFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!nothing) return errno_error("/dev/null cannot be opened");
    ::dup2(nothing.get(), STDIN_FILENO);
    leave_unless_file(STDOUT_FILENO, nothing.get());
    return std::variant<std::unique_ptr<Daemon>, int>(
        std::unique_ptr<Daemon>(new Daemon(std::move(writing))));
}

Result<void> Daemon::awaited() const {
    pollfd pipe{.fd = foreground_.get(), .events = 0, .revents = 0};
    if (::poll(&pipe, 1, 0) == 1) return nobody_waits(); // POLLERR: the other end is closed
    return {};
}

Result<void> Daemon::ready(const std::string& name) {
    const std::string line = name + "\n";
    if (::write(foreground_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        return nobody_waits();
    leave();
    return {};
}

void Daemon::leave() {
    foreground_.reset();
    const UniqueFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (nothing) leave_unless_file(STDERR_FILENO, nothing.get());
}

} // namespace plugbay::core
