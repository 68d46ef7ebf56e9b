// What a compiler or a test writes: kept in bounds, and shown as it was written without letting it take over the terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace plugbay::core::dev {

// The beginning and the end of a text, however long it gets.
class ToolOutput {
  public:
    static constexpr std::size_t most_kept = 12 * 1024; // bytes, of each

    void add(std::string_view text);
    // With a line in the middle that tells what was left out; cut at the ends of lines there.
    [[nodiscard]] std::string text() const;

  private:
    std::string head_;
    std::string tail_; // up to twice as long as what is shown of it
    std::size_t size_ = 0;
};

// Without the lines that Ninja and CMake put around what the compiler says.
[[nodiscard]] std::string without_build_tool(std::string_view text);

// Fit for a terminal: colours stay if they are `wanted`, other sequences go, and what is unprintable is shown as "\x1b". Ends
// with an end of line, if anything is there.
[[nodiscard]] std::string shown_output(std::string_view text, bool colours);

} // namespace plugbay::core::dev
