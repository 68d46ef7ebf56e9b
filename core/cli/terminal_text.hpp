// Text for people's eyes: aligned, coloured where that is wanted, and never what takes over their terminal.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

// In one line: what a terminal would not print as a character is shown as "\x1b".
[[nodiscard]] std::string printable(std::string_view text);
// The same, and ends of lines stay.
[[nodiscard]] std::string printable_lines(std::string_view text);

// As many columns as it takes on a terminal, taking each character for one. `text` is printable.
[[nodiscard]] std::size_t columns_of(std::string_view text);
// Cut or filled with blanks to that many columns.
[[nodiscard]] std::string fitted(std::string_view text, std::size_t columns);

// Whether what is written to this descriptor may have colours: it is a terminal that knows them, and NO_COLOR is not set
// (no-color.org).
[[nodiscard]] bool wants_colours(int descriptor);

enum class Colour { none, heading, name, good, attention, bad };
// `text` in that colour, if `wanted`.
[[nodiscard]] std::string coloured(std::string_view text, Colour colour, bool wanted);

// Columns as wide as their widest cell, two blanks between them. Cells are made printable.
class TextTable {
  public:
    explicit TextTable(std::vector<std::string> heading = {});
    void add(std::vector<std::string> cells);
    // `indent` before each line; the heading, if there is one, in capitals.
    void print(std::ostream& out, std::string_view indent = "", bool colours = false) const;

  private:
    std::vector<std::string> heading_;
    std::vector<std::vector<std::string>> rows_;
};

} // namespace plugbay::core
