#include "core/debug/gdb_packet.hpp"

#include <algorithm>
#include <charconv>

namespace plugbay::core {

namespace {

constexpr char escape = '}';
constexpr char escape_difference = 0x20;
constexpr std::string_view digits = "0123456789abcdef";

std::optional<unsigned> digit_value(char digit) {
    if (digit >= 'A' && digit <= 'F') digit = static_cast<char>(digit - 'A' + 'a');
    const auto value = digits.find(digit);
    if (value == std::string_view::npos) return std::nullopt;
    return static_cast<unsigned>(value);
}

bool needs_escape(char byte) {
    return byte == '#' || byte == '$' || byte == '}' || byte == '*';
}

// `count` more of the byte that was sent last, at least 3. The count is one printable character, and not '#' or '$'.
std::size_t append_run(std::string& text, std::size_t count) {
    constexpr std::size_t longest = 126 - 29;
    std::size_t taken = std::min(count, longest);
    if (taken == '#' - 29 || taken == '$' - 29) taken = '"' - 29;
    text += '*';
    text += static_cast<char>(taken + 29);
    return taken;
}

} // namespace

std::optional<GdbPacketReader::Event> GdbPacketReader::next(std::string_view& input) {
    while (!input.empty()) {
        const char byte = input.front();
        input.remove_prefix(1);
        if (auto event = take(byte)) return event;
    }
    return std::nullopt;
}

std::optional<GdbPacketReader::Event> GdbPacketReader::take(char byte) {
    // A packet's start is never part of one: the rest of an earlier one was lost.
    if (byte == '$') {
        content_.clear();
        length_ = 0;
        sum_ = 0;
        escaped_ = false;
        place_ = Place::content;
        return std::nullopt;
    }
    switch (place_) {
    case Place::between:
        if (byte == '+') return Event{.kind = Event::Kind::acknowledged};
        if (byte == '-') return Event{.kind = Event::Kind::rejected};
        if (byte == 3) return Event{.kind = Event::Kind::interrupt};
        return std::nullopt;
    case Place::content:
        if (byte == '#') {
            place_ = Place::first_digit;
        } else {
            take_content(byte);
        }
        return std::nullopt;
    case Place::first_digit:
        first_digit_ = byte;
        place_ = Place::second_digit;
        return std::nullopt;
    case Place::second_digit:
        place_ = Place::between;
        return finish(byte);
    }
    return std::nullopt;
}

void GdbPacketReader::take_content(char byte) {
    if (length_ > gdb_packet_limit) return;
    ++length_;
    sum_ = static_cast<std::uint8_t>(sum_ + static_cast<std::uint8_t>(byte));
    if (byte == escape && !escaped_) {
        escaped_ = true;
        return;
    }
    content_ += escaped_ ? static_cast<char>(byte ^ escape_difference) : byte;
    escaped_ = false;
}

GdbPacketReader::Event GdbPacketReader::finish(char byte) {
    const auto high = digit_value(first_digit_);
    const auto low = digit_value(byte);
    const bool good = high && low && *high * 16 + *low == sum_ && length_ <= gdb_packet_limit && !escaped_;
    if (!good) return {.kind = Event::Kind::damaged};
    return {.kind = Event::Kind::packet, .content = std::move(content_)};
}

std::string gdb_frame(std::string_view content) {
    std::string wire;
    for (std::size_t i = 0; i < content.size();) {
        const char byte = content[i];
        if (needs_escape(byte)) {
            wire += escape;
            wire += static_cast<char>(byte ^ escape_difference);
            ++i;
            continue;
        }
        const auto run_end = content.find_first_not_of(byte, i);
        const std::size_t run = (run_end == std::string_view::npos ? content.size() : run_end) - i;
        wire += byte;
        ++i;
        if (run > 3) i += append_run(wire, run - 1);
    }
    std::uint8_t sum = 0;
    for (const char byte : wire)
        sum = static_cast<std::uint8_t>(sum + static_cast<std::uint8_t>(byte));
    return "$" + wire + "#" + digits[sum >> 4] + digits[sum & 15];
}

void append_hex(std::string& text, std::span<const std::byte> bytes) {
    for (const std::byte each : bytes) {
        text += digits[std::to_integer<unsigned>(each) >> 4];
        text += digits[std::to_integer<unsigned>(each) & 15];
    }
}

void append_hex_number(std::string& text, std::uint64_t number) {
    char buffer[16];
    const auto [end, error] = std::to_chars(std::begin(buffer), std::end(buffer), number, 16);
    text.append(buffer, end);
}

std::optional<std::string> bytes_of_hex(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    std::string bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const auto high = digit_value(text[i]);
        const auto low = digit_value(text[i + 1]);
        if (!high || !low) return std::nullopt;
        bytes += static_cast<char>(*high * 16 + *low);
    }
    return bytes;
}

std::optional<std::uint64_t> take_hex_number(std::string_view& text) {
    std::uint64_t number = 0;
    std::size_t taken = 0;
    while (taken < text.size() && taken <= 16) {
        const auto value = digit_value(text[taken]);
        if (!value) break;
        number = number << 4 | *value;
        ++taken;
    }
    if (taken == 0 || taken > 16) return std::nullopt;
    text.remove_prefix(taken);
    return number;
}

bool take(std::string_view& text, std::string_view expected) {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
    return true;
}

} // namespace plugbay::core
