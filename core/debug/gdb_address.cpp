#include "core/debug/gdb_address.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <sys/un.h>

namespace plugbay::core {

namespace {

Error wrong(std::string_view text, const std::string& why) {
    return Error{"\"" + std::string(text) + "\" is no address for the GDB server: " + why,
                 "give PORT, ADDRESS:PORT, [IPV6]:PORT, or unix:PATH"};
}

} // namespace

Result<GdbAddress> parse_gdb_address(std::string_view text) {
    GdbAddress address;
    constexpr std::string_view unix_prefix = "unix:";
    if (text.starts_with(unix_prefix)) {
        address.path = text.substr(unix_prefix.size());
        if (address.path.empty()) return wrong(text, "the path is empty");
        if (address.path.size() >= sizeof sockaddr_un{}.sun_path) return wrong(text, "the path is too long");
        if (address.path.find('\0') != std::string::npos) return wrong(text, "the path holds a zero byte");
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
            return wrong(text, "\"" + std::string(host) + "\" is no numeric address");
    }
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc{} || end != port.data() + port.size())
        return wrong(text, "\"" + std::string(port) + "\" is no port from 0 to 65535");
    return address;
}

} // namespace plugbay::core
