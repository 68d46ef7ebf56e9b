#include "core/debug/gdb_server.hpp"

#include "core/base/errno_error.hpp"
#include "core/debug/gdb_connection.hpp"

#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace plugbay::core {

namespace {

constexpr int backlog = 4;

struct SocketAddress {
    sockaddr_storage bytes{};
    socklen_t size = 0;

    template <typename Kind>
    void set(const Kind& address) {
        std::memcpy(&bytes, &address, sizeof address);
        size = sizeof address;
    }
    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

SocketAddress socket_address(const GdbAddress& address) {
    SocketAddress result;
    if (!address.path.empty()) {
        sockaddr_un local{};
        local.sun_family = AF_UNIX;
        std::memcpy(local.sun_path, address.path.data(), address.path.size()); // bounded by parse_gdb_address
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

// The port is the one that was found where any would do. It stands at the same place in both families' addresses.
std::string place_of(const GdbAddress& address, int listener) {
    if (!address.path.empty()) return address.path;
    sockaddr_in6 bound{};
    socklen_t size = sizeof bound;
    static_cast<void>(::getsockname(listener, reinterpret_cast<sockaddr*>(&bound), &size));
    const bool brackets = address.host.find(':') != std::string::npos;
    return (brackets ? "[" + address.host + "]" : address.host) + ":" +
           std::to_string(ntohs(bound.sin6_port));
}

} // namespace

Result<std::unique_ptr<GdbServer>> GdbServer::start(Machine& machine, const GdbAddress& address) {
    const std::string what =
        "the GDB server cannot listen at " +
        (address.path.empty() ? address.host + " port " + std::to_string(address.port) : address.path);
    const SocketAddress where = socket_address(address);
    UniqueFd listener(::socket(where.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
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
    // Whoever connects commands the guest.
    if (!address.path.empty() && ::chmod(address.path.c_str(), S_IRUSR | S_IWUSR) < 0)
        return errno_error(what);
    if (::listen(listener.get(), backlog) < 0) return errno_error(what);
    UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake) return errno_error(what);
    const std::string place = place_of(address, listener.get());
    return std::unique_ptr<GdbServer>(
        new GdbServer(machine, std::move(listener), std::move(wake), place, address.path));
}

GdbServer::GdbServer(Machine& machine, UniqueFd listener, UniqueFd wake, std::string place, std::string path)
    : place_(std::move(place)), path_(std::move(path)),
      connection_(std::make_shared<GdbConnection>(machine, std::move(listener), std::move(wake))) {
    thread_ = std::thread([this] { connection_->serve(); });
}

GdbServer::~GdbServer() {
    stop_thread();
    connection_->leave();
    if (!path_.empty()) ::unlink(path_.c_str());
}

void GdbServer::machine_ended() {
    connection_->machine_ended();
    stop_thread();
}

void GdbServer::stop_thread() {
    if (!thread_.joinable()) return;
    connection_->stop();
    thread_.join();
}

} // namespace plugbay::core
