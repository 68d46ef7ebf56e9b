// UTF-8 from files and plugins, which may be malformed or meant to deceive a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace plugbay::core {

// Bytes 10xxxxxx: inside a sequence.
[[nodiscard]] constexpr bool is_utf8_continuation(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

// Length in bytes of the well-formed sequence at the start of `text`, or 0 (Unicode 15.0, table 3-7). `text` is
// not empty.
[[nodiscard]] std::size_t utf8_length(std::string_view text);

// Of one well-formed sequence: C0 and C1 controls, DEL, and the marks that end lines or reorder what a terminal
// shows.
[[nodiscard]] bool is_unprintable(std::string_view sequence);

// Well-formed throughout and nothing unprintable in it: can be shown on a terminal as it is.
[[nodiscard]] bool is_printable_utf8(std::string_view text);

// `text` fit for a terminal and for one line of a log: what is not printable as \n, \r, \t or \xNN, and "..." past `limit` bytes.
[[nodiscard]] std::string printable_text(std::string_view text, std::size_t limit = std::string_view::npos);

} // namespace plugbay::core
