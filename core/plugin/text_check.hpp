#pragma once

#include <string_view>

namespace plugbay::core {

// Valid UTF-8 (no overlong forms, surrogates or values past U+10FFFF) without control characters, so that it
// can be printed on a terminal as it is.
[[nodiscard]] bool is_printable_utf8(std::string_view text);

} // namespace plugbay::core
