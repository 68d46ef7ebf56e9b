#include "core/config/number_text.hpp"

#include <charconv>

namespace plugbay::core {
namespace {

constexpr std::string_view units = "KMGT";

} // namespace

NumberText read_number(std::string_view text) {
    NumberText result{.problem = NumberText::Problem::not_a_number};
    if (text.starts_with('-')) {
        result.negative = true;
        text.remove_prefix(1);
    }
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        base = 16;
        text.remove_prefix(2);
    } else if (text.size() > 1 && text.starts_with('0')) {
        return result;
    }
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, result.magnitude, base);
    if (stop != end || error == std::errc::invalid_argument) return result;
    result.problem =
        error == std::errc::result_out_of_range ? NumberText::Problem::too_large : NumberText::Problem::none;
    if (result.magnitude == 0) result.negative = false;
    return result;
}

NumberText read_size(std::string_view text) {
    const auto unit = text.empty() ? std::string_view::npos : units.find(text.back());
    const unsigned shift = unit == std::string_view::npos ? 0 : 10 * (static_cast<unsigned>(unit) + 1);
    if (shift != 0) text.remove_suffix(1);
    if (text.starts_with("0x") || text.starts_with("0X") || text.starts_with('-')) {
        return {.problem = NumberText::Problem::not_a_number};
    }
    auto result = read_number(text);
    if (result.problem != NumberText::Problem::none) return result;
    if (result.magnitude > UINT64_MAX >> shift) return {.problem = NumberText::Problem::too_large};
    result.magnitude <<= shift;
    return result;
}

std::string size_text(std::uint64_t bytes) {
    std::size_t unit = 0;
    while (unit < units.size() && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        ++unit;
    }
    return std::to_string(bytes) + (unit == 0 ? "" : std::string(1, units[unit - 1]));
}

} // namespace plugbay::core
