#include "peer.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <poll.h>
#include <sys/socket.h>

namespace {

constexpr std::size_t read_size = 1024;
constexpr std::size_t wire_size = 4096;
constexpr std::size_t most_replies = 4096; // bytes

bool try_again(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

} // namespace

Peer::Peer(plugbay::UniqueFd descriptor, std::optional<Telnet::Role> telnet, Traffic& traffic)
    : descriptor_(std::move(descriptor)), traffic_(traffic) {
    tune(descriptor_.get());
    wire_.reserve(wire_size + Telnet::longest_encoding);
    if (!telnet) return;
    telnet_.emplace(*telnet);
    telnet_->greet(replies_);
}

Peer::Peer(plugbay::UniqueFd descriptor, bool telnet, Conversation conversation, Traffic& traffic)
    : descriptor_(std::move(descriptor)), traffic_(traffic), replies_(std::move(conversation.replies)),
      wire_(std::move(conversation.wire)) {
    wire_.reserve(wire_size + Telnet::longest_encoding);
    if (telnet) telnet_ = conversation.telnet;
}

Conversation Peer::conversation() const {
    Conversation conversation;
    conversation.replies = replies_;
    conversation.wire.assign(wire_.begin() + static_cast<std::ptrdiff_t>(sent_), wire_.end());
    if (telnet_) conversation.telnet = *telnet_;
    return conversation;
}

void Peer::shut_down() const {
    shutdown(descriptor(), SHUT_RDWR);
}

void Peer::fill_wire(plugbay::ByteQueue& output) {
    wire_.clear();
    sent_ = 0;
    std::swap(wire_, replies_);
    while (!output.empty() && wire_.size() < wire_size) {
        const auto front = output.front();
        const auto piece = front.first(std::min(front.size(), wire_size - wire_.size()));
        if (!telnet_) {
            wire_.insert(wire_.end(), piece.begin(), piece.end());
            output.drop(piece.size());
            continue;
        }
        const std::uint8_t byte = piece[0];
        output.drop(1);
        Telnet::encode(byte, !output.empty() && output.front()[0] == '\n', wire_);
    }
}

bool Peer::send(plugbay::ByteQueue& output) {
    for (;;) {
        if (broken_) {
            replies_.clear();
            output.clear();
            return true;
        }
        if (sent_ == wire_.size()) fill_wire(output);
        if (wire_.empty()) return true;
        const ssize_t count =
            ::send(descriptor(), wire_.data() + sent_, wire_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count >= 0) {
            sent_ += static_cast<std::size_t>(count);
            traffic_.sent += static_cast<std::uint64_t>(count);
        } else if (try_again(errno)) {
            return false;
        } else {
            broken_ = true;
        }
    }
}

std::size_t Peer::most_to_read(const plugbay::ByteQueue& input) const {
    const std::size_t most = std::min(read_size, input.room());
    if (!telnet_) return most;
    return std::min(most, (most_replies - std::min(replies_.size(), most_replies)) / Telnet::longest_reply);
}

bool Peer::receive(plugbay::ByteQueue& input, const std::function<void()>& on_break) {
    std::array<std::uint8_t, read_size> bytes{};
    const std::size_t most = most_to_read(input);
    if (most == 0) return true;
    const ssize_t count = recv(descriptor(), bytes.data(), most, MSG_DONTWAIT);
    if (count <= 0) {
        if (count < 0 && try_again(errno)) return true;
        reason_ = count == 0 ? 0 : errno;
        return false;
    }
    traffic_.received += static_cast<std::uint64_t>(count);
    const auto received = std::span(bytes).first(static_cast<std::size_t>(count));
    if (!telnet_) {
        input.append(received);
        return true;
    }
    for (const std::uint8_t byte : received) {
        const Telnet::Decoded decoded = telnet_->decode(byte, replies_);
        if (decoded.kind == Telnet::Decoded::Kind::data) input.append(std::span(&decoded.byte, 1));
        if (decoded.kind == Telnet::Decoded::Kind::break_condition) on_break();
    }
    return true;
}

bool Peer::has_hung_up() const {
    pollfd entry{descriptor(), POLLRDHUP, 0};
    return poll(&entry, 1, 0) > 0;
}

void Peer::wait_writable(int milliseconds) const {
    pollfd entry{descriptor(), POLLOUT, 0};
    poll(&entry, 1, milliseconds);
}
