#include "core/config/source_text.hpp"

#include <array>
#include <cstdio>

namespace plugbay::core {
namespace {

constexpr std::size_t longest_shown_line = 400;

constexpr bool is_continuation(char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

// Length of the well-formed UTF-8 sequence at the start of `text`, or 0 (Unicode 15.0, table 3-7).
std::size_t sequence_length(std::string_view text) {
    struct Form {
        unsigned char first, last;
        std::size_t length;
        unsigned char second_first, second_last;
    };
    static constexpr std::array forms{
        Form{0x00, 0x7F, 1, 0, 0},       Form{0xC2, 0xDF, 2, 0x80, 0xBF}, Form{0xE0, 0xE0, 3, 0xA0, 0xBF},
        Form{0xE1, 0xEC, 3, 0x80, 0xBF}, Form{0xED, 0xED, 3, 0x80, 0x9F}, Form{0xEE, 0xEF, 3, 0x80, 0xBF},
        Form{0xF0, 0xF0, 4, 0x90, 0xBF}, Form{0xF1, 0xF3, 4, 0x80, 0xBF}, Form{0xF4, 0xF4, 4, 0x80, 0x8F},
    };
    const auto first = static_cast<unsigned char>(text[0]);
    for (const auto& form : forms) {
        if (first < form.first || first > form.last) continue;
        if (form.length > text.size()) return 0;
        if (form.length == 1) return 1;
        const auto second = static_cast<unsigned char>(text[1]);
        if (second < form.second_first || second > form.second_last) return 0;
        for (std::size_t i = 2; i < form.length; ++i) {
            if (!is_continuation(text[i])) return 0;
        }
        return form.length;
    }
    return 0;
}

// C0 and C1 controls, DEL, and the marks that reorder what a terminal shows.
bool is_unprintable(std::string_view sequence) {
    const auto first = static_cast<unsigned char>(sequence[0]);
    if (sequence.size() == 1) return first < 0x20 || first == 0x7F;
    if (first == 0xC2) return static_cast<unsigned char>(sequence[1]) < 0xA0;
    if (sequence.substr(0, 2) == "\xE2\x80") {
        const auto third = static_cast<unsigned char>(sequence[2]);
        return (third >= 0x8E && third <= 0x8F) || (third >= 0xA8 && third <= 0xAE);
    }
    return sequence.substr(0, 2) == "\xE2\x81" && static_cast<unsigned char>(sequence[2]) >= 0xA6 &&
           static_cast<unsigned char>(sequence[2]) <= 0xA9;
}

std::uint32_t code_point(std::string_view sequence) {
    if (sequence.size() == 1) return static_cast<unsigned char>(sequence[0]);
    auto value =
        static_cast<std::uint32_t>(static_cast<unsigned char>(sequence[0]) & (0x7F >> sequence.size()));
    for (const char byte : sequence.substr(1))
        value = value << 6 | (static_cast<unsigned char>(byte) & 0x3F);
    return value;
}

} // namespace

SourceText::SourceText(std::string text) : text_(std::move(text)) {
    line_starts_.push_back(text_.starts_with(byte_order_mark) ? byte_order_mark.size() : 0);
    for (auto end = text_.find('\n'); end != std::string::npos; end = text_.find('\n', end + 1)) {
        line_starts_.push_back(end + 1);
    }
}

std::string SourceText::line(std::uint32_t number) const {
    if (number == 0 || number > line_starts_.size()) return {};
    const auto start = line_starts_[number - 1];
    const auto end = number < line_starts_.size() ? line_starts_[number] - 1 : text_.size();
    if (end - start > longest_shown_line) return {};
    std::string result;
    for (std::string_view rest(text_.data() + start, end - start); !rest.empty();) {
        const auto length = sequence_length(rest);
        if (length == 0 || is_unprintable(rest.substr(0, length))) {
            result += ' ';
        } else {
            result += rest.substr(0, length);
        }
        rest.remove_prefix(length == 0 ? 1 : length);
    }
    while (result.ends_with(' '))
        result.pop_back();
    return result;
}

PositionCursor::PositionCursor(std::string_view text) : text_(text) {
    if (text.starts_with(byte_order_mark)) offset_ = byte_order_mark.size();
}

SourcePosition PositionCursor::advance_to(std::size_t offset) {
    for (; offset_ < offset && offset_ < text_.size(); ++offset_) {
        if (text_[offset_] == '\n') {
            ++position_.line;
            position_.column = 1;
        } else if (offset_ + 1 == text_.size() || !is_continuation(text_[offset_ + 1])) {
            ++position_.column;
        }
    }
    return position_;
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
    for (std::size_t offset = 0; offset < text.size();) {
        const auto length = sequence_length(text.substr(offset));
        if (length == 0 || text[offset] == '\0') return offset;
        offset += length;
    }
    return std::nullopt;
}

std::string in_quotes(std::string_view text, std::size_t limit) {
    std::string result = "\"";
    while (!text.empty()) {
        const auto length = sequence_length(text);
        std::string piece(text.substr(0, length));
        if (length == 0) {
            std::array<char, 8> hex{};
            std::snprintf(hex.data(), hex.size(), "<%02x>", static_cast<unsigned char>(text[0]));
            piece = hex.data();
        } else if (piece == "\n") {
            piece = "\\n";
        } else if (piece == "\t") {
            piece = "\\t";
        } else if (is_unprintable(piece)) {
            std::array<char, 16> escape{};
            std::snprintf(escape.data(), escape.size(), "\\u%04x", code_point(piece));
            piece = escape.data();
        } else if (piece == "\"" || piece == "\\") {
            piece.insert(0, "\\");
        }
        if (result.size() + piece.size() > limit) return result + "\"...";
        result += piece;
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return result + '"';
}

} // namespace plugbay::core
