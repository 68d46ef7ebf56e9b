#include "core/plugin/text_check.hpp"

#include <cstddef>
#include <cstdint>

namespace plugbay::core {

bool is_printable_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto first = static_cast<unsigned char>(text[at++]);
        if (first < 0x20 || first == 0x7f) return false;
        if (first < 0x80) continue;
        const std::size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || text.size() - at < more) return false;
        std::uint32_t value = first & (0x3fU >> more);
        for (std::size_t index = 0; index < more; ++index) {
            const auto next = static_cast<unsigned char>(text[at++]);
            if ((next & 0xc0) != 0x80) return false;
            value = value << 6 | (next & 0x3fU);
        }
        const std::uint32_t smallest = more == 3   ? 0x10000
                                       : more == 2 ? 0x800
                                                   : 0xa0; // below U+00A0: controls
        if (value < smallest || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return false;
    }
    return true;
}

} // namespace plugbay::core
