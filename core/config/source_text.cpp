#include "core/config/source_text.hpp"

#include "core/base/utf8.hpp"

#include <array>
#include <cstdio>

namespace plugbay::core {
namespace {

constexpr std::size_t longest_shown_line = 400;

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
        const auto length = utf8_length(rest);
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
        } else if (offset_ + 1 == text_.size() || !is_utf8_continuation(text_[offset_ + 1])) {
            ++position_.column;
        }
    }
    return position_;
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
    for (std::size_t offset = 0; offset < text.size();) {
        const auto length = utf8_length(text.substr(offset));
        if (length == 0 || text[offset] == '\0') return offset;
        offset += length;
    }
    return std::nullopt;
}

std::string in_quotes(std::string_view text, std::size_t limit) {
    std::string result = "\"";
    while (!text.empty()) {
        const auto length = utf8_length(text);
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
