// The framing of GDB's remote serial protocol (GDB manual, appendix E.1): $content#checksum, escapes, run lengths,
// acknowledgements. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace plugbay::core {

// Bytes of one packet's content, as it comes over the wire.
inline constexpr std::size_t gdb_packet_limit = 0x4000;

// Cuts what a client sends into events. Holds one packet at most.
class GdbPacketReader {
  public:
    struct Event {
        enum class Kind {
            packet,       // content, without escapes
            damaged,      // wrong checksum, or longer than the limit
            interrupt,    // the byte 3 between packets: Ctrl-C
            acknowledged, // +
            rejected,     // -
        };
        Kind kind = Kind::packet;
        std::string content = {};
    };

    // Takes bytes off the front of `input` until they make an event; nothing: all are taken.
    [[nodiscard]] std::optional<Event> next(std::string_view& input);

  private:
    enum class Place { between, content, first_digit, second_digit };
    [[nodiscard]] std::optional<Event> take(char byte);
    void take_content(char byte);
    [[nodiscard]] Event finish(char byte);

    Place place_ = Place::between;
    std::string content_;
    std::size_t length_ = 0; // on the wire
    std::uint8_t sum_ = 0;
    bool escaped_ = false;
    char first_digit_ = 0;
};

// The packet with this content, which may be any bytes.
[[nodiscard]] std::string gdb_frame(std::string_view content);

// --- what contents are made of

void append_hex(std::string& text, std::span<const std::byte> bytes);
// Big-endian, without leading zeros.
void append_hex_number(std::string& text, std::uint64_t number);
// Two digits a byte; nothing when the length is odd or a digit is none.
[[nodiscard]] std::optional<std::string> bytes_of_hex(std::string_view digits);
// Takes a number of 1 to 16 hexadecimal digits off the front of `text`.
[[nodiscard]] std::optional<std::uint64_t> take_hex_number(std::string_view& text);
// Takes `expected` off the front of `text`, or nothing and false.
[[nodiscard]] bool take(std::string_view& text, std::string_view expected);

} // namespace plugbay::core
