// Numbers and sizes as people write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace plugbay::core {

struct NumberText {
    enum class Problem { none, not_a_number, too_large };

    Problem problem = Problem::none;
    bool negative = false;
    std::uint64_t magnitude = 0;
};

// "1016", "0x3f8", "-5", "-0x10". No blanks, signs of plus, separators, or zeros in front.
[[nodiscard]] NumberText read_number(std::string_view text);

// "4096", "64K", "512M", "2G", "1T".
[[nodiscard]] NumberText read_size(std::string_view text);

// With the largest unit that leaves a whole number: 512M, 4097.
[[nodiscard]] std::string size_text(std::uint64_t bytes);

} // namespace plugbay::core
