// Who is connected: what it is sent and says, with or without telnet around it.
#pragma once

#include "socket.hpp"
#include "telnet.hpp"

#include <plugbay/byte_queue.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

// Bytes that went through a socket, with what telnet put around them.
struct Traffic {
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
};

// What a connection is in the middle of, for another build that goes on with it.
struct Conversation {
    static constexpr std::size_t most_to_send = 16384; // bytes of each of the next two

    std::vector<std::uint8_t> replies;
    std::vector<std::uint8_t> wire; // taken from the output, encoded, and not sent yet
    Telnet telnet{Telnet::Role::server};

    void state(auto& fields) {
        fields("replies", replies, most_to_send);
        fields("wire", wire, most_to_send);
        fields("telnet", telnet);
    }
};

class Peer {
  public:
    // Adds to `traffic`, which outlives it.
    Peer(plugbay::UniqueFd descriptor, std::optional<Telnet::Role> telnet, Traffic& traffic);
    // One that another build was connected to; `telnet` as in that build.
    Peer(plugbay::UniqueFd descriptor, bool telnet, Conversation conversation, Traffic& traffic);

    [[nodiscard]] int descriptor() const { return descriptor_.get(); }

    // Sends what telnet has to say, and then all of `output`. False when the socket takes no more for now. For
    // a peer that takes nothing any more output vanishes; what it said before is still there to be received.
    bool send(plugbay::ByteQueue& output);
    // Reads once, at most what `input` has room for. `on_break` is called where a break was received, with
    // what came before it in `input`. False when the peer has gone and nothing is left.
    bool receive(plugbay::ByteQueue& input, const std::function<void()>& on_break);
    // A peer that asks and asks, without reading the answers, is not listened to.
    [[nodiscard]] bool readable_into(const plugbay::ByteQueue& input) const {
        return most_to_read(input) > 0;
    }
    // Why it has gone: an errno, or 0 when it closed the connection.
    [[nodiscard]] int reason() const { return reason_; }
    // It has closed the connection, though bytes may be left to read.
    [[nodiscard]] bool has_hung_up() const;
    // It has long owed an acknowledgement of what was sent.
    [[nodiscard]] bool has_vanished() const {
        const auto silence = silence_of(descriptor_.get());
        return silence && silence->vanished();
    }
    [[nodiscard]] Conversation conversation() const;
    // The connection ends, whoever else has a descriptor of it.
    void shut_down() const;
    // Waits until send can go on, or `milliseconds` passed. For the very end only.
    void wait_writable(int milliseconds) const;

  private:
    [[nodiscard]] std::size_t most_to_read(const plugbay::ByteQueue& input) const;
    void fill_wire(plugbay::ByteQueue& output);

    plugbay::UniqueFd descriptor_;
    Traffic& traffic_;
    std::optional<Telnet> telnet_;
    std::vector<std::uint8_t> replies_;
    std::vector<std::uint8_t> wire_; // as sent; only whole escape sequences are put into it
    std::size_t sent_ = 0;           // of wire_
    bool broken_ = false;            // it takes nothing any more
    int reason_ = 0;
};
