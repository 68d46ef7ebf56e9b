#include "address.hpp"

#include <plugbay/failure.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace {

[[noreturn]] void refuse(std::string_view text, const std::string& reason) {
    throw plugbay::Failure("\"address\" is \"" + std::string(text) + "\": " + reason, PLUGBAY_INVALID);
}

} // namespace

Address Address::parse(std::string_view text) {
    Address address;
    if (text.starts_with("tcp:"))
        address.parse_tcp(text.substr(4), text);
    else if (text.starts_with("unix:"))
        address.parse_unix(text.substr(5));
    else
        refuse(text, "say tcp:HOST:PORT, such as tcp:127.0.0.1:4555, or unix:/absolute/path");
    return address;
}

Address Address::of_socket(int descriptor) {
    Address address;
    address.length_ = sizeof address.storage_;
    if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address.storage_), &address.length_) != 0)
        throw plugbay::Failure(std::string("a socket has no address: ") + std::strerror(errno));
    return address;
}

void Address::parse_tcp(std::string_view text, std::string_view whole) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) refuse(whole, "the port is missing; say tcp:HOST:PORT");
    const std::string_view digits = text.substr(colon + 1);
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size())
        refuse(whole, "the port must be a number from 0 to 65535, and is \"" + std::string(digits) + "\"");

    std::string host(text.substr(0, colon));
    auto& four = reinterpret_cast<sockaddr_in&>(storage_);
    auto& six = reinterpret_cast<sockaddr_in6&>(storage_);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        length_ = sizeof six;
        if (inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) == 1) return;
    } else {
        four.sin_family = AF_INET;
        four.sin_port = htons(port);
        length_ = sizeof four;
        if (inet_pton(AF_INET, host.c_str(), &four.sin_addr) == 1) return;
    }
    refuse(whole,
           "\"" + host +
               "\" is not a numeric address, and names are not looked up, which could hold the machine "
               "up; say 127.0.0.1 or [::1] for this host, 0.0.0.0 or [::] for all its interfaces");
}

void Address::parse_unix(std::string_view path) {
    auto& local = reinterpret_cast<sockaddr_un&>(storage_);
    const std::string whole = "unix:" + std::string(path);
    if (!path.starts_with('/')) refuse(whole, "say an absolute path, such as unix:/tmp/com1");
    if (path.size() >= sizeof local.sun_path)
        refuse(whole, "the path has " + std::to_string(path.size()) + " bytes, and a socket's can have " +
                          std::to_string(sizeof local.sun_path - 1) + "; choose a shorter one");
    local.sun_family = AF_UNIX;
    std::memcpy(local.sun_path, path.data(), path.size());
    length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

std::string Address::path() const {
    if (family() != AF_UNIX) return {};
    return reinterpret_cast<const sockaddr_un&>(storage_).sun_path;
}

std::string Address::text() const {
    if (family() == AF_UNIX) return "unix:" + path();
    char host[INET6_ADDRSTRLEN] = "";
    if (family() == AF_INET6) {
        const auto& six = reinterpret_cast<const sockaddr_in6&>(storage_);
        inet_ntop(AF_INET6, &six.sin6_addr, host, sizeof host);
        return "tcp:[" + std::string(host) + "]:" + std::to_string(ntohs(six.sin6_port));
    }
    const auto& four = reinterpret_cast<const sockaddr_in&>(storage_);
    inet_ntop(AF_INET, &four.sin_addr, host, sizeof host);
    return "tcp:" + std::string(host) + ":" + std::to_string(ntohs(four.sin_port));
}
