#include "core/base/utf8.hpp"

#include <array>

namespace plugbay::core {

std::size_t utf8_length(std::string_view text) {
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
            if (!is_utf8_continuation(text[i])) return 0;
        }
        return form.length;
    }
    return 0;
}

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

std::string printable_text(std::string_view text, std::size_t limit) {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string result;
    while (!text.empty() && result.size() < limit) {
        const std::size_t length = utf8_length(text);
        if (length != 0 && !is_unprintable(text.substr(0, length))) {
            result += text.substr(0, length);
            text.remove_prefix(length);
            continue;
        }
        const auto byte = static_cast<unsigned char>(text.front());
        text.remove_prefix(1);
        switch (byte) {
        case '\n':
            result += "\\n";
            break;
        case '\r':
            result += "\\r";
            break;
        case '\t':
            result += "\\t";
            break;
        default:
            result += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
        }
    }
    return text.empty() ? result : result + "...";
}

bool is_printable_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto length = utf8_length(text);
        if (length == 0 || is_unprintable(text.substr(0, length))) return false;
        text.remove_prefix(length);
    }
    return true;
}

} // namespace plugbay::core
