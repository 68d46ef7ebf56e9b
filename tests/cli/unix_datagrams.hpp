// A socket that receives datagrams, as service managers have one.
#pragma once

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace plugbay {

class UnixDatagrams {
  public:
    // A path, or "@" and an abstract name.
    explicit UnixDatagrams(const std::string& name)
        : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        name.copy(address.sun_path, sizeof address.sun_path - 1);
        if (name.starts_with('@')) address.sun_path[0] = '\0';
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), length) != 0)
            throw std::runtime_error("cannot bind " + name + ": " + std::strerror(errno));
    }
    UnixDatagrams(const UnixDatagrams&) = delete;
    UnixDatagrams& operator=(const UnixDatagrams&) = delete;
    ~UnixDatagrams() { ::close(socket_); }

    // Empty when none came in time.
    [[nodiscard]] std::string receive(std::chrono::milliseconds limit) const {
        pollfd source{.fd = socket_, .events = POLLIN, .revents = 0};
        if (::poll(&source, 1, static_cast<int>(limit.count())) != 1) return "";
        std::array<char, 4096> buffer{};
        const auto count = ::recv(socket_, buffer.data(), buffer.size(), 0);
        return {buffer.data(), count < 0 ? 0 : static_cast<std::size_t>(count)};
    }

  private:
    int socket_;
};

} // namespace plugbay
