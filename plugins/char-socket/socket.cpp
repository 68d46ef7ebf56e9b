#include "socket.hpp"

#include <plugbay/failure.hpp>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

plugbay::UniqueFd make_socket(const Address& address) {
    plugbay::UniqueFd made(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!made) throw plugbay::Failure(std::string("a socket cannot be made: ") + std::strerror(errno));
    return made;
}

// Whether `address` is a socket file that nobody listens at. A listener whose queue is full answers EAGAIN.
bool is_stale(const Address& address) {
    struct stat facts {};
    if (lstat(address.path().c_str(), &facts) != 0 || !S_ISSOCK(facts.st_mode)) return false;
    const plugbay::UniqueFd probe = make_socket(address);
    return connect(probe.get(), address.raw(), address.length()) != 0 && errno == ECONNREFUSED;
}

std::string advice(const Address& address, int error) {
    if (error == EADDRINUSE)
        return address.family() == AF_UNIX
                   ? "; somebody listens there, or it is not a socket: choose another path"
                   : "; somebody listens there: choose another port";
    if (error == EADDRNOTAVAIL) return "; this host has no interface with that address";
    return "";
}

} // namespace

Listener::Listener(const Address& address) : descriptor_(make_socket(address)) {
    bind(address);
    if (address.family() == AF_UNIX) {
        path_ = address.path();
        file_ = plugbay::UniqueFd(open(path_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    }
    if (listen(descriptor_.get(), 8) == 0) return;
    const int error = errno;
    throw plugbay::Failure("cannot listen at " + address.text() + ": " + std::strerror(error) +
                           advice(address, error));
}

Listener::Listener(const Address& address, plugbay::UniqueFd descriptor, plugbay::UniqueFd file)
    : descriptor_(std::move(descriptor)), file_(std::move(file)), path_(address.path()) {}

void Listener::bind(const Address& address) {
    if (address.family() != AF_UNIX) {
        // Or a machine started again would wait for the old one's connections to be forgotten.
        const int on = 1;
        setsockopt(descriptor_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    const auto attempt = [&] {
        return ::bind(descriptor_.get(), address.raw(), address.length()) == 0 ? 0 : errno;
    };
    int error = attempt();
    if (error == EADDRINUSE && address.family() == AF_UNIX && is_stale(address)) {
        unlink(address.path().c_str());
        error = attempt();
    }
    if (error == 0) return;
    throw plugbay::Failure("cannot listen at " + address.text() + ": " + std::strerror(error) +
                               advice(address, error),
                           error == EADDRINUSE ? PLUGBAY_TAKEN : PLUGBAY_FAILED);
}

Listener::~Listener() {
    struct stat made {};
    struct stat there {};
    if (path_.empty() || !file_ || fstat(file_.get(), &made) != 0 || lstat(path_.c_str(), &there) != 0)
        return;
    if (there.st_dev == made.st_dev && there.st_ino == made.st_ino) unlink(path_.c_str());
}

plugbay::UniqueFd Listener::accept() const {
    return plugbay::UniqueFd(accept4(descriptor_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

plugbay::UniqueFd begin_connect(const Address& address) {
    plugbay::UniqueFd made = make_socket(address);
    // A local listener whose queue is full answers EAGAIN, and does not go on by itself.
    if (connect(made.get(), address.raw(), address.length()) == 0 || errno == EINPROGRESS) return made;
    const int error = errno;
    throw plugbay::Failure("cannot connect to " + address.text() + ": " + std::strerror(error));
}

int connect_error(int descriptor) {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
    return error;
}

void tune(int descriptor) {
    const auto set = [&](int level, int option, int value) {
        // Fails on local sockets, which need none.
        setsockopt(descriptor, level, option, &value, sizeof value);
    };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

std::optional<PeerSilence> silence_of(int descriptor) {
    tcp_info facts{};
    socklen_t length = sizeof facts;
    if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &facts, &length) != 0) return std::nullopt;
    return PeerSilence{.unacknowledged = facts.tcpi_unacked, .milliseconds = facts.tcpi_last_ack_recv};
}
