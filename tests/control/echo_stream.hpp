// A guest that echoes, and the other end of its serial port's connection, which notices every byte that is lost or another.
#pragma once

#include <plugbay/unique_fd.hpp>

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>

namespace plugbay::end_to_end {

// A guest that sends back what its serial port receives:
// mov $0x3fa, %dx; mov $1, %al; out %al, %dx; mov $0x3fd, %dx; 1: in %dx, %al; test $1, %al; jz 1b; test $0x20, %al; jz 1b;
// mov $0xf8, %dl; in %dx, %al; out %al, %dx; mov $0xfd, %dl; jmp 1b
inline constexpr std::string_view
    echo_guest("\xba\xfa\x03\xb0\x01\xee\xba\xfd\x03\xec\xa8\x01\x74\xfb\xa8\x20\x74\xf7"
               "\xb2\xf8\xec\xee\xb2\xfd\xeb\xef",
               26);

// Sends on a connection what it expects to come back on it, and keeps some of it on its way.
class EchoStream {
  public:
    explicit EchoStream(const std::filesystem::path& path)
        : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.string().copy(address.sun_path, sizeof address.sun_path - 1);
        if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            throw std::system_error(errno, std::system_category(), path);
    }
    // Until `enough` is true and all that was sent has come back. Empty, or what went wrong.
    std::string run(const std::atomic<bool>& enough) {
        while (!enough || received_ < sent_) {
            const bool sends = !enough && sent_ - received_ <= most_on_its_way - block;
            pollfd ready{socket_.get(), static_cast<short>(POLLIN | (sends ? POLLOUT : 0)), 0};
            if (::poll(&ready, 1, 20'000) <= 0)
                return fmt::format("{} bytes were sent, and only {} came back", sent_, received_.load());
            if ((ready.revents & POLLOUT) != 0) send();
            if ((ready.revents & (POLLIN | POLLHUP)) == 0) continue;
            std::array<char, block> bytes{};
            const ssize_t count = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
            if (count <= 0) return "the connection ended";
            for (ssize_t i = 0; i < count; ++i, ++received_) {
                if (bytes[static_cast<std::size_t>(i)] != byte_at(received_))
                    return fmt::format("byte {} is another", received_.load());
            }
        }
        return {};
    }
    [[nodiscard]] std::size_t received() const { return received_; }

  private:
    static constexpr std::size_t block = 512;
    static constexpr std::size_t most_on_its_way = 4096; // far less than a socket holds
    static char byte_at(std::size_t place) { return static_cast<char>(place * 0x9e3779b97f4a7c15 >> 56); }
    void send() {
        std::array<char, block> bytes{};
        for (std::size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = byte_at(sent_ + i);
        const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count > 0) sent_ += static_cast<std::size_t>(count);
    }

    UniqueFd socket_;
    std::size_t sent_ = 0;
    std::atomic<std::size_t> received_ = 0;
};

} // namespace plugbay::end_to_end
