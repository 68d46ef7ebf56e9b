#include "core/io/stream_place.hpp"

namespace plugbay::core {

namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view tcp_prefix = "tcp:";

} // namespace

bool names_stream(std::string_view text) {
    return text == standard_stream || text.starts_with(unix_prefix) || text.starts_with(tcp_prefix);
}

Result<SocketAddress> parse_stream_place(std::string_view text) {
    constexpr std::string_view whom = "a machine on its way";
    if (text.starts_with(unix_prefix)) return parse_socket_address(text, whom);
    if (text.starts_with(tcp_prefix)) return parse_socket_address(text.substr(tcp_prefix.size()), whom);
    return Error{"\"" + std::string(text) + "\" is no place to send a machine to",
                 "give unix:PATH or tcp:ADDRESS:PORT"};
}

} // namespace plugbay::core
