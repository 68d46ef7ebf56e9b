#include "stream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace {

// Keeps SIGPIPE away from the rest of the process while one write is done.
class SigpipeGuard {
  public:
    explicit SigpipeGuard(bool active) : active_(active) {
        if (!active_) return;
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        sigset_t pending;
        sigemptyset(&pending);
        sigpending(&pending);
        was_pending_ = sigismember(&pending, SIGPIPE) == 1;
        pthread_sigmask(SIG_BLOCK, &pipe_, &former_);
    }
    ~SigpipeGuard() {
        if (!active_) return;
        const int kept = errno;
        if (raised_ && !was_pending_) {
            const timespec now{};
            sigtimedwait(&pipe_, nullptr, &now);
        }
        pthread_sigmask(SIG_SETMASK, &former_, nullptr);
        errno = kept;
    }
    SigpipeGuard(const SigpipeGuard&) = delete;
    SigpipeGuard& operator=(const SigpipeGuard&) = delete;
    void raised() { raised_ = true; }

  private:
    bool active_;
    bool was_pending_ = false;
    bool raised_ = false;
    sigset_t pipe_{};
    sigset_t former_{};
};

int open_again(int descriptor, Stream::Direction direction) {
    std::array<char, 32> path{};
    std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", descriptor);
    const int access = direction == Stream::Direction::read ? O_RDONLY : O_WRONLY;
    return open(path.data(), access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

} // namespace

Stream::Stream(int standard_descriptor, Direction direction) {
    struct stat status {};
    if (fstat(standard_descriptor, &status) != 0) return;
    terminal_ = isatty(standard_descriptor) == 1;
    if (terminal_ || S_ISFIFO(status.st_mode)) {
        descriptor_ = plugbay::UniqueFd(open_again(standard_descriptor, direction));
        if (!descriptor_) method_ = Method::poll_first;
    } else if (S_ISSOCK(status.st_mode)) {
        method_ = Method::socket;
    } else if (!S_ISREG(status.st_mode)) {
        method_ = Method::poll_first;
    }
    if (!descriptor_) descriptor_ = plugbay::UniqueFd(fcntl(standard_descriptor, F_DUPFD_CLOEXEC, 3));
    struct sigaction action {};
    may_raise_sigpipe_ =
        S_ISFIFO(status.st_mode) && sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler != SIG_IGN;
}

bool Stream::ready(short events) const {
    pollfd entry{descriptor_.get(), events, 0};
    return poll(&entry, 1, 0) > 0;
}

void Stream::wait_writable(int milliseconds) const {
    pollfd entry{descriptor_.get(), POLLOUT, 0};
    poll(&entry, 1, milliseconds);
}

Stream::Transfer Stream::read(std::span<std::uint8_t> bytes) {
    if (!descriptor_) return {Outcome::ended};
    if (method_ == Method::poll_first && !ready(POLLIN)) return {Outcome::would_block};
    const ssize_t count = method_ == Method::socket
                              ? recv(descriptor_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT)
                              : ::read(descriptor_.get(), bytes.data(), bytes.size());
    if (count > 0) return {Outcome::moved, static_cast<std::size_t>(count)};
    if (count == 0) return {Outcome::ended};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {Outcome::would_block};
    return {Outcome::ended, 0, errno};
}

Stream::Transfer Stream::write(std::span<const std::uint8_t> bytes) {
    if (!descriptor_) return {Outcome::ended, 0, EBADF};
    if (method_ == Method::poll_first) {
        // A pipe that poll calls writable takes PIPE_BUF bytes, a terminal at least one.
        if (!ready(POLLOUT)) return {Outcome::would_block};
        bytes = bytes.first(std::min<std::size_t>(bytes.size(), terminal_ ? 1 : PIPE_BUF));
    }
    SigpipeGuard guard(may_raise_sigpipe_);
    const ssize_t count = method_ == Method::socket ? send(descriptor_.get(), bytes.data(), bytes.size(),
                                                           MSG_DONTWAIT | MSG_NOSIGNAL)
                                                    : ::write(descriptor_.get(), bytes.data(), bytes.size());
    if (count > 0) return {Outcome::moved, static_cast<std::size_t>(count)};
    if (count == 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return {Outcome::would_block};
    if (errno == EPIPE) guard.raised();
    return {Outcome::ended, 0, errno};
}
