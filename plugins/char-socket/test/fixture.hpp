// A machine with one char-socket, its frontend played by a CharPeer, and the other end of the socket.
#pragma once

#include <plugbay/testkit/testkit.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace testkit = plugbay::testkit;
using namespace std::chrono_literals;
using namespace std::string_literals;

// The far end.
class Remote {
  public:
    Remote() = default;
    explicit Remote(int descriptor) : fd(descriptor) {}
    Remote(const Remote&) = delete;
    Remote& operator=(const Remote&) = delete;
    ~Remote() { leave(); }

    static int to_port(unsigned port) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return join(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
    static sockaddr_un local(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        return address;
    }
    static int to_path(const std::string& path) {
        const sockaddr_un address = local(path);
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        return join(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }

    void say(std::string_view text) const {
        ASSERT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    }
    // What has arrived until now; closed tells of the end.
    std::string hear() {
        std::string all;
        std::array<char, 65536> piece{};
        for (;;) {
            const ssize_t count = recv(fd, piece.data(), piece.size(), MSG_DONTWAIT);
            if (count == 0 || (count < 0 && errno == ECONNRESET)) closed = true;
            if (count <= 0) return all;
            all.append(piece.data(), static_cast<std::size_t>(count));
        }
    }
    void leave() {
        if (fd >= 0) close(fd);
        fd = -1;
    }

    int fd = -1;
    bool closed = false;

  private:
    static int join(int fd, const sockaddr* address, socklen_t length) {
        if (connect(fd, address, length) != 0 && errno != EINPROGRESS) {
            close(fd);
            throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
        }
        return fd;
    }
};

struct Socket {
    explicit Socket(const testkit::Properties& properties) {
        bench.add(PLUGBAY_PLUGIN_FILE, "char-socket", "socket", properties);
        bench.connect(serial, "socket");
    }
    // Real time for the kernel, virtual time for the device's timers.
    bool until(const std::function<bool()>& predicate) {
        return bench.run_until([&] {
            bench.advance(1ms);
            return predicate();
        });
    }
    // That the kernel chose.
    unsigned port() {
        for (const auto& line : bench.log()) {
            const std::size_t at = line.text.rfind("listening at tcp:127.0.0.1:");
            if (at != std::string::npos)
                return static_cast<unsigned>(std::stoul(line.text.substr(line.text.rfind(':') + 1)));
        }
        return 0;
    }
    bool logged(std::string_view text) {
        for (const auto& line : bench.log()) {
            if (line.text.find(text) != std::string::npos) return true;
        }
        return false;
    }
    bool opened() {
        for (const std::uint32_t event : serial.take_events())
            open = event == PLUGBAY_CHAR_OPENED || (event != PLUGBAY_CHAR_CLOSED && open);
        return open;
    }

    testkit::CharPeer serial;
    testkit::Bench bench;
    bool open = false;
};

// A server with a peer.
struct Connected : Socket {
    explicit Connected(testkit::Properties properties = {})
        : Socket([&] {
              properties.emplace_back("address", "tcp:127.0.0.1:0");
              return properties;
          }()) {
        bench.start();
        remote.fd = Remote::to_port(port());
        if (!until([&] { return opened(); })) throw std::runtime_error("nobody came");
    }
    bool hears(const std::string& text) {
        std::string all;
        const bool done = until([&] { return (all += remote.hear()).size() >= text.size(); });
        EXPECT_EQ(all, text);
        return done;
    }
    Remote remote;
};
