// Where a stream socket of ours is, as the command line says it: a GDB server, a machine that is sent.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/unique_fd.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace plugbay::core {

struct SocketAddress {
    std::string path = {};          // of a Unix socket; empty: TCP
    std::string host = "127.0.0.1"; // numeric, IPv4 or IPv6
    std::uint16_t port = 0;         // 0: any that is free
};

// [ADDRESS:]PORT, [IPV6]:PORT with the brackets, or unix:PATH. `whom` it is for is named in errors: "the GDB server".
[[nodiscard]] Result<SocketAddress> parse_socket_address(std::string_view text, std::string_view whom);

// As parse_socket_address() takes it, but for a Unix socket, which is the path alone.
[[nodiscard]] std::string text_of(const SocketAddress& address);

// A listening socket that does not block; one of the file system has mode 0600. `whom` as above.
[[nodiscard]] Result<UniqueFd> listen_at(const SocketAddress& address, std::string_view whom);
// The first who connects; an error too when the listener is shut down.
[[nodiscard]] Result<UniqueFd> accept_one(int listener);
// A socket that is connected, after `limit` milliseconds at most.
[[nodiscard]] Result<UniqueFd> connect_to(const SocketAddress& address, int limit);

// `address` with the port that was found where any would do.
[[nodiscard]] SocketAddress bound_address(const SocketAddress& address, int listener);

} // namespace plugbay::core
