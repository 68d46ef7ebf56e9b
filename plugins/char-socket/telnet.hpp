// The telnet protocol (RFC 854, 855) between a character stream and a socket, in either role. Of the options
// ECHO (RFC 857) and SUPPRESS GO AHEAD (RFC 858) are known, which make a client send each key by itself;
// all others are refused.
//
// Commands may be cut anywhere between two reads: all that is between is in the fields.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <span>

class Telnet {
  public:
    static constexpr std::size_t longest_reply = 3;    // bytes answered to one byte received
    static constexpr std::size_t longest_encoding = 2; // bytes sent for one byte of data

    enum class Role { server, client };
    explicit Telnet(Role role) : role_(role) {}

    // What is said first. A client waits to be asked.
    void greet(std::vector<std::uint8_t>& replies);

    // A received byte.
    struct Decoded {
        enum class Kind { nothing, data, break_condition } kind = Kind::nothing;
        std::uint8_t byte = 0;
    };
    Decoded decode(std::uint8_t byte, std::vector<std::uint8_t>& replies);

    // Appends `byte` as it is sent, `next_is_line_feed`: the byte after it, if there is one, is.
    static void encode(std::uint8_t byte, bool next_is_line_feed, std::vector<std::uint8_t>& sent);

    void state(auto& fields) {
        fields("place", place_, Place::data, Place::negotiation_command);
        fields("verb", verb_);
        fields("after_carriage_return", after_carriage_return_);
        fields("near", near_);
        fields("far", far_);
    }

  private:
    enum class Place : std::uint8_t { data, command, option, negotiation, negotiation_command };
    // A side's view of one option (RFC 1143): what it is, and whether an answer is expected.
    struct Option {
        bool on = false;
        bool asked = false;
        void state(auto& fields) {
            fields("on", on);
            fields("asked", asked);
        }
    };

    Decoded decode_data(std::uint8_t byte);
    Decoded decode_command(std::uint8_t byte);
    void negotiate(std::uint8_t option, std::vector<std::uint8_t>& replies);
    Option* known(std::array<Option, 2>& side, std::uint8_t option, bool near);

    Role role_;
    Place place_ = Place::data;
    std::uint8_t verb_ = 0; // WILL, WONT, DO or DONT, while in Place::option
    bool after_carriage_return_ = false;
    std::array<Option, 2> near_; // ECHO, SUPPRESS GO AHEAD
    std::array<Option, 2> far_;
};
