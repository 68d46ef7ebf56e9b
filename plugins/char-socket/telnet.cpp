#include "telnet.hpp"

namespace {

// RFC 854, "Telnet command structure".
constexpr std::uint8_t command_end_negotiation = 240; // SE
constexpr std::uint8_t command_break = 243;
constexpr std::uint8_t command_negotiation = 250; // SB
constexpr std::uint8_t command_will = 251;
constexpr std::uint8_t command_wont = 252;
constexpr std::uint8_t command_do = 253;
constexpr std::uint8_t command_dont = 254;
constexpr std::uint8_t escape = 255; // IAC

constexpr std::uint8_t option_echo = 1;
constexpr std::uint8_t option_suppress_go_ahead = 3;

} // namespace

void Telnet::greet(std::vector<std::uint8_t>& replies) {
    if (role_ == Role::client) return;
    near_[0].asked = near_[1].asked = true;
    for (const std::uint8_t option : {option_echo, option_suppress_go_ahead})
        replies.insert(replies.end(), {escape, command_will, option});
}

// A client does not echo for its server.
Telnet::Option* Telnet::known(std::array<Option, 2>& side, std::uint8_t option, bool near) {
    if (option == option_suppress_go_ahead) return &side[1];
    if (option == option_echo && near == (role_ == Role::server)) return &side[0];
    return nullptr;
}

Telnet::Decoded Telnet::decode(std::uint8_t byte, std::vector<std::uint8_t>& replies) {
    switch (place_) {
    case Place::data:
        return decode_data(byte);
    case Place::command:
        return decode_command(byte);
    case Place::option:
        place_ = Place::data;
        negotiate(byte, replies);
        return {};
    case Place::negotiation: // of an option that was refused: skipped, whatever it says
        if (byte == escape) place_ = Place::negotiation_command;
        return {};
    case Place::negotiation_command:
        place_ = byte == command_end_negotiation ? Place::data : Place::negotiation;
        return {};
    }
    return {};
}

// The end of a line arrives as CR LF or CR NUL (RFC 1123, section 3.3.1); the guest's terminal sends CR.
Telnet::Decoded Telnet::decode_data(std::uint8_t byte) {
    if (byte == escape) {
        place_ = Place::command;
        return {};
    }
    const bool second = after_carriage_return_ && (byte == '\0' || byte == '\n');
    after_carriage_return_ = byte == '\r';
    if (second) return {};
    return {Decoded::Kind::data, byte};
}

Telnet::Decoded Telnet::decode_command(std::uint8_t byte) {
    place_ = Place::data;
    switch (byte) {
    case escape:
        after_carriage_return_ = false;
        return {Decoded::Kind::data, byte};
    case command_break:
        return {Decoded::Kind::break_condition};
    case command_negotiation:
        place_ = Place::negotiation;
        return {};
    case command_will:
    case command_wont:
    case command_do:
    case command_dont:
        verb_ = byte;
        place_ = Place::option;
        return {};
    default: // nothing that a serial line has
        return {};
    }
}

// Only a request that changes something is answered, or two sides would go on for ever.
void Telnet::negotiate(std::uint8_t option, std::vector<std::uint8_t>& replies) {
    const bool near = verb_ == command_do || verb_ == command_dont;
    const bool wanted = verb_ == command_do || verb_ == command_will;
    const std::uint8_t yes = near ? command_will : command_do;
    const std::uint8_t no = near ? command_wont : command_dont;
    Option* const state = known(near ? near_ : far_, option, near);
    if (state == nullptr) {
        if (wanted) replies.insert(replies.end(), {escape, no, option});
        return;
    }
    const bool answer = !state->asked && state->on != wanted;
    state->asked = false;
    state->on = wanted;
    if (answer) replies.insert(replies.end(), {escape, wanted ? yes : no, option});
}

// RFC 854, "The NVT printer and keyboard": a carriage return that begins no new line is followed by NUL.
void Telnet::encode(std::uint8_t byte, bool next_is_line_feed, std::vector<std::uint8_t>& sent) {
    sent.push_back(byte);
    if (byte == escape) sent.push_back(escape);
    if (byte == '\r' && !next_is_line_feed) sent.push_back('\0');
}
