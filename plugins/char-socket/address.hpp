// Where a socket listens or connects to: "tcp:127.0.0.1:4555", "tcp:[::1]:4555", "unix:/run/com1". Hosts are
// numeric: resolving a name could hold the I/O loop up for seconds.
#pragma once

#include <string>
#include <string_view>

#include <sys/socket.h>

class Address {
  public:
    // Throws plugbay::Failure with what is wrong.
    static Address parse(std::string_view text);
    // Of the near end of a socket.
    static Address of_socket(int descriptor);

    [[nodiscard]] int family() const { return storage_.ss_family; }
    [[nodiscard]] const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage_); }
    [[nodiscard]] socklen_t length() const { return length_; }
    // As parse takes it.
    [[nodiscard]] std::string text() const;
    // Of the socket's file; empty for TCP.
    [[nodiscard]] std::string path() const;

  private:
    Address() = default;
    void parse_tcp(std::string_view text, std::string_view whole);
    void parse_unix(std::string_view path);

    sockaddr_storage storage_{};
    socklen_t length_ = 0;
};
