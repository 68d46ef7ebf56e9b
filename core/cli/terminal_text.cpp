#include "core/cli/terminal_text.hpp"

#include "core/base/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <ostream>
#include <unistd.h>

namespace plugbay::core {

namespace {

std::string made_printable(std::string_view text, bool with_lines) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const std::string_view piece = text.substr(0, std::max<std::size_t>(length, 1));
        text.remove_prefix(piece.size());
        if ((length != 0 && !is_unprintable(piece)) || (with_lines && piece == "\n")) {
            result += piece;
            continue;
        }
        for (const char byte : piece)
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    }
    return result;
}

const char* sequence_of(Colour colour) {
    switch (colour) {
    case Colour::none:
        break;
    case Colour::heading:
        return "\x1b[1m";
    case Colour::name:
        return "\x1b[36m";
    case Colour::good:
        return "\x1b[32m";
    case Colour::attention:
        return "\x1b[33m";
    case Colour::bad:
        return "\x1b[31m";
    }
    return "";
}

} // namespace

std::string printable(std::string_view text) {
    return made_printable(text, false);
}

std::string printable_lines(std::string_view text) {
    return made_printable(text, true);
}

std::size_t columns_of(std::string_view text) {
    return text.size() - static_cast<std::size_t>(std::ranges::count_if(text, &is_utf8_continuation));
}

std::string fitted(std::string_view text, std::size_t columns) {
    std::size_t at = 0;
    std::size_t used = 0;
    for (; at < text.size() && (used < columns || is_utf8_continuation(text[at])); ++at) {
        if (!is_utf8_continuation(text[at])) ++used;
    }
    return std::string(text.substr(0, at)) + std::string(columns - used, ' ');
}

bool wants_colours(int descriptor) {
    const char* refused = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    return ::isatty(descriptor) != 0 && (refused == nullptr || *refused == '\0') && terminal != nullptr &&
           std::string_view(terminal) != "dumb";
}

std::string coloured(std::string_view text, Colour colour, bool wanted) {
    if (!wanted || colour == Colour::none) return std::string(text);
    return fmt::format("{}{}\x1b[0m", sequence_of(colour), text);
}

TextTable::TextTable(std::vector<std::string> heading) : heading_(std::move(heading)) {
    for (std::string& each : heading_) {
        each = printable(each);
        std::ranges::transform(each, each.begin(),
                               [](unsigned char byte) { return static_cast<char>(std::toupper(byte)); });
    }
}

void TextTable::add(std::vector<std::string> cells) {
    std::ranges::transform(cells, cells.begin(), &printable);
    rows_.push_back(std::move(cells));
}

void TextTable::print(std::ostream& out, std::string_view indent, bool colours) const {
    std::vector<std::size_t> widths;
    const auto measure = [&](const std::vector<std::string>& row) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t column = 0; column < row.size(); ++column)
            widths[column] = std::max(widths[column], columns_of(row[column]));
    };
    const auto write = [&](const std::vector<std::string>& row, bool heading) {
        std::size_t last = row.size();
        while (last > 0 && row[last - 1].empty())
            --last;
        out << indent;
        for (std::size_t column = 0; column < last; ++column) {
            const std::string cell =
                column + 1 == last ? row[column] : fitted(row[column], widths[column] + 2);
            out << coloured(cell,
                            heading       ? Colour::heading
                            : column == 0 ? Colour::name
                                          : Colour::none,
                            colours);
        }
        out << '\n';
    };
    measure(heading_);
    for (const auto& row : rows_)
        measure(row);
    if (!heading_.empty()) write(heading_, true);
    for (const auto& row : rows_)
        write(row, false);
}

} // namespace plugbay::core
