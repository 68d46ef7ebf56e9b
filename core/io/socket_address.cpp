#include "core/io/socket_address.hpp"

#include "core/base/errno_error.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace plugbay::core {

namespace {

constexpr int backlog = 4;

struct KernelAddress {
    sockaddr_storage bytes{};
    socklen_t size = 0;

    template <typename Kind>
    void set(const Kind& address) {
        std::memcpy(&bytes, &address, sizeof address);
        size = sizeof address;
    }
    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
    [[nodiscard]] int family() const { return bytes.ss_family; }
};

KernelAddress kernel_address(const SocketAddress& address) {
    KernelAddress result;
    if (!address.path.empty()) {
        sockaddr_un local{};
        local.sun_family = AF_UNIX;
        std::memcpy(local.sun_path, address.path.data(),
                    address.path.size()); // bounded by parse_socket_address
        result.set(local);
    } else if (address.host.find(':') != std::string::npos) {
        sockaddr_in6 internet{};
        internet.sin6_family = AF_INET6;
        internet.sin6_port = htons(address.port);
        ::inet_pton(AF_INET6, address.host.c_str(), &internet.sin6_addr);
        result.set(internet);
    } else {
        sockaddr_in internet{};
        internet.sin_family = AF_INET;
        internet.sin_port = htons(address.port);
        ::inet_pton(AF_INET, address.host.c_str(), &internet.sin_addr);
        result.set(internet);
    }
    return result;
}

} // namespace

Result<SocketAddress> parse_socket_address(std::string_view text, std::string_view whom) {
    const auto wrong = [&](const std::string& why) {
        return Error{"\"" + std::string(text) + "\" is no address for " + std::string(whom) + ": " + why,
                     "give PORT, ADDRESS:PORT, [IPV6]:PORT, or unix:PATH"};
    };
    SocketAddress address;
    constexpr std::string_view unix_prefix = "unix:";
    if (text.starts_with(unix_prefix)) {
        address.path = text.substr(unix_prefix.size());
        if (address.path.empty()) return wrong("the path is empty");
        if (address.path.size() >= sizeof sockaddr_un{}.sun_path) return wrong("the path is too long");
        if (address.path.find('\0') != std::string::npos) return wrong("the path holds a zero byte");
        return address;
    }
    std::string_view port = text;
    if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
        std::string_view host = text.substr(0, colon);
        port = text.substr(colon + 1);
        const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
        address.host = brackets ? host.substr(1, host.size() - 2) : host;
        in6_addr bytes{};
        if (::inet_pton(brackets ? AF_INET6 : AF_INET, address.host.c_str(), &bytes) != 1)
            return wrong("\"" + std::string(host) + "\" is no numeric address");
    }
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc{} || end != port.data() + port.size())
        return wrong("\"" + std::string(port) + "\" is no port from 0 to 65535");
    return address;
}

std::string text_of(const SocketAddress& address) {
    if (!address.path.empty()) return address.path;
    const bool brackets = address.host.find(':') != std::string::npos;
    return (brackets ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

Result<UniqueFd> listen_at(const SocketAddress& address, std::string_view whom) {
    const std::string what = std::string(whom) + " cannot listen at " + text_of(address);
    const KernelAddress where = kernel_address(address);
    UniqueFd listener(::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener) return errno_error(what);
    const int on = 1;
    if (address.path.empty())
        static_cast<void>(::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
    if (::bind(listener.get(), where.get(), where.size) < 0) {
        const std::string hint = errno != EADDRINUSE    ? ""
                                 : address.path.empty() ? "another port, or 0 for any that is free"
                                                        : "remove the socket if nobody uses it any more";
        return errno_error(what, errno, hint);
    }
    // Whoever connects may do what this user may.
    if (!address.path.empty() && ::chmod(address.path.c_str(), S_IRUSR | S_IWUSR) < 0)
        return errno_error(what);
    if (::listen(listener.get(), backlog) < 0) return errno_error(what);
    return listener;
}

Result<UniqueFd> accept_one(int listener) {
    pollfd ready{listener, POLLIN, 0};
    while (::poll(&ready, 1, -1) < 0) {
        if (errno != EINTR) return errno_error("cannot wait for a connection");
    }
    UniqueFd peer(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer) return errno_error("cannot accept a connection");
    return peer;
}

Result<UniqueFd> connect_to(const SocketAddress& address, int limit) {
    const std::string what = "cannot connect to " + text_of(address);
    const std::string hint = "see whether the other side listens there";
    const KernelAddress where = kernel_address(address);
    UniqueFd socket(::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return errno_error(what);
    if (::connect(socket.get(), where.get(), where.size) == 0) return socket;
    if (errno != EINPROGRESS) return errno_error(what, errno, hint);
    pollfd ready{socket.get(), POLLOUT, 0};
    if (::poll(&ready, 1, limit) != 1) return errno_error(what, ETIMEDOUT, hint);
    int error = 0;
    socklen_t size = sizeof error;
    static_cast<void>(::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size));
    if (error != 0) return errno_error(what, error, hint);
    return socket;
}

// It stands at the same place in both families' addresses.
SocketAddress bound_address(const SocketAddress& address, int listener) {
    SocketAddress bound = address;
    if (!address.path.empty()) return bound;
    sockaddr_in6 internet{};
    socklen_t size = sizeof internet;
    static_cast<void>(::getsockname(listener, reinterpret_cast<sockaddr*>(&internet), &size));
    bound.port = ntohs(internet.sin6_port);
    return bound;
}

} // namespace plugbay::core
