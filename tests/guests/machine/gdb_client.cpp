#include "tests/guests/machine/gdb_client.hpp"

#include "core/debug/gdb_packet.hpp"

#include <array>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace plugbay::end_to_end {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds patience{20};

} // namespace

GdbClient::GdbClient(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const auto deadline = Clock::now() + patience;
    while (Clock::now() < deadline) {
        socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
        ::close(socket_);
        socket_ = -1;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

GdbClient::~GdbClient() {
    if (socket_ >= 0) ::close(socket_);
}

void GdbClient::send_bytes(std::string_view bytes) {
    // The server takes nothing while its answers are not read.
    const auto deadline = Clock::now() + patience;
    while (!bytes.empty() && Clock::now() < deadline && !ended_) {
        const auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(count));
        } else {
            read_some(Clock::now() + std::chrono::milliseconds(10));
        }
    }
}

void GdbClient::send(std::string_view content) {
    // Without run lengths, which only servers use.
    unsigned sum = 0;
    for (const char byte : content)
        sum += static_cast<unsigned char>(byte);
    const auto check = static_cast<std::byte>(sum);
    std::string digits;
    core::append_hex(digits, {&check, 1});
    send_bytes("$" + std::string(content) + "#" + digits);
}

std::string GdbClient::ask(std::string_view content) {
    send(content);
    return receive();
}

bool GdbClient::read_some(Clock::time_point deadline) {
    pollfd source{.fd = socket_, .events = POLLIN, .revents = 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0 || ::poll(&source, 1, static_cast<int>(left.count())) <= 0) return false;
    std::array<char, 4096> buffer{};
    const auto count = ::recv(socket_, buffer.data(), buffer.size(), 0);
    ended_ = count <= 0;
    if (count > 0) read_.append(buffer.data(), static_cast<std::size_t>(count));
    return count > 0;
}

std::string GdbClient::receive() {
    const auto deadline = Clock::now() + patience;
    for (;;) {
        const auto start = read_.find('$');
        const auto end = start == std::string::npos ? start : read_.find('#', start);
        if (end != std::string::npos && end + 2 < read_.size()) {
            std::string content;
            for (std::size_t i = start + 1; i < end; ++i) {
                if (read_[i] == '}') {
                    content += static_cast<char>(read_[++i] ^ 0x20);
                } else if (read_[i] == '*') {
                    content.append(static_cast<std::size_t>(read_[++i] - 29), content.back());
                } else {
                    content += read_[i];
                }
            }
            read_.erase(0, end + 3);
            send_bytes("+");
            return content;
        }
        if (!read_some(deadline)) return "(nothing)";
    }
}

bool GdbClient::at_end() {
    const auto deadline = Clock::now() + patience;
    while (read_some(deadline)) {
    }
    return ended_;
}

std::uint64_t GdbClient::number(unsigned number) {
    std::string question = "p";
    core::append_hex_number(question, number);
    const auto bytes = core::bytes_of_hex(ask(question));
    std::uint64_t value = 0;
    if (bytes && bytes->size() == sizeof value) std::memcpy(&value, bytes->data(), sizeof value);
    return value;
}

std::string GdbClient::brief(const std::string& stop) {
    return stop.substr(0, stop.find(';') + 1);
}

} // namespace plugbay::end_to_end
