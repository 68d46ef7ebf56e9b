// The text of a machine file with its lines, for positions in diagnostics.
#pragma once

#include "core/config/diagnostic.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

class SourceText {
  public:
    SourceText() = default;
    explicit SourceText(std::string text);

    [[nodiscard]] const std::string& text() const { return text_; }

    // Line `number` (from 1) without its end, control characters replaced by spaces. Empty when there is no
    // such line or it is too long to show.
    [[nodiscard]] std::string line(std::uint32_t number) const;

  private:
    std::string text_;
    std::vector<std::size_t> line_starts_;
};

// Follows offsets through a text, only ever forwards, so that all positions of a file cost one pass.
class PositionCursor {
  public:
    explicit PositionCursor(std::string_view text);

    // `offset` must not be less than in the call before.
    [[nodiscard]] SourcePosition advance_to(std::size_t offset);

  private:
    std::string_view text_;
    std::size_t offset_ = 0;
    SourcePosition position_{1, 1};
};

inline constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// Offset of the first byte that is not well-formed UTF-8 (or is NUL), if any.
[[nodiscard]] std::optional<std::size_t> find_invalid_utf8(std::string_view text);

// `text` in double quotes with JSON's escapes, cut to at most `limit` bytes, safe to print on a terminal.
[[nodiscard]] std::string in_quotes(std::string_view text, std::size_t limit = 60);

} // namespace plugbay::core
