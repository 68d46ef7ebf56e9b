#include "properties.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <optional>

namespace plugbay::testkit::detail {
namespace {

std::optional<std::uint64_t> parse_unsigned(std::string_view text) {
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        text.remove_prefix(2);
        base = 16;
    }
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<std::uint64_t> parse_signed(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    const auto magnitude = parse_unsigned(text);
    constexpr auto highest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!magnitude || *magnitude > highest + (negative ? 1 : 0)) return std::nullopt;
    return negative ? ~*magnitude + 1 : *magnitude;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    constexpr std::string_view units = "KMGT";
    unsigned shift = 0;
    if (!text.empty()) {
        const auto unit = units.find(text.back());
        if (unit != std::string_view::npos) {
            shift = static_cast<unsigned>(unit + 1) * 10;
            text.remove_suffix(1);
        }
    }
    const auto number = parse_unsigned(text);
    if (!number || *number > (std::numeric_limits<std::uint64_t>::max() >> shift)) return std::nullopt;
    return *number << shift;
}

bool in_range(const plugbay_property& property, std::uint64_t number) {
    if (property.kind == PLUGBAY_PROPERTY_SIGNED) {
        const auto value = static_cast<std::int64_t>(number);
        return value >= static_cast<std::int64_t>(property.minimum) &&
               value <= static_cast<std::int64_t>(property.maximum);
    }
    return number >= property.minimum && number <= property.maximum;
}

} // namespace

Values::Values(std::span<const plugbay_property* const> declared, const Properties& given,
               const std::string& whose)
    : whose_(whose) {
    for (const auto& pair : given) {
        const auto same = [&](const plugbay_property* property) { return pair.first == property->name; };
        if (std::none_of(declared.begin(), declared.end(), same))
            throw Error(whose + " has no property \"" + pair.first + "\"", PLUGBAY_NOT_FOUND);
    }
    for (const plugbay_property* property : declared) {
        plugbay_value value{};
        const auto same = [&](const auto& pair) { return pair.first == property->name; };
        const auto found = std::find_if(given.begin(), given.end(), same);
        const bool is_text =
            property->kind == PLUGBAY_PROPERTY_STRING || property->kind == PLUGBAY_PROPERTY_PATH;
        if (found != given.end()) {
            value.flags = PLUGBAY_VALUE_GIVEN;
            parse(*property, found->second, value);
        } else if ((property->flags & PLUGBAY_PROPERTY_REQUIRED) != 0) {
            throw Error(whose + " needs the property \"" + property->name + "\"", PLUGBAY_INVALID);
        } else if (is_text) {
            texts_.emplace_back(property->default_text == nullptr ? "" : property->default_text);
        } else {
            value.number = property->default_number;
        }
        if (is_text) {
            value.text = texts_.back().c_str();
            value.text_length = static_cast<std::uint32_t>(texts_.back().size());
        }
        values_.push_back(value);
    }
}

void Values::parse(const plugbay_property& property, const std::string& text, plugbay_value& value) {
    std::optional<std::uint64_t> number;
    switch (property.kind) {
    case PLUGBAY_PROPERTY_BOOLEAN:
        if (text == "true" || text == "false") number = text == "true" ? 1 : 0;
        break;
    case PLUGBAY_PROPERTY_UNSIGNED:
        number = parse_unsigned(text);
        break;
    case PLUGBAY_PROPERTY_SIGNED:
        number = parse_signed(text);
        break;
    case PLUGBAY_PROPERTY_SIZE:
        number = parse_size(text);
        break;
    case PLUGBAY_PROPERTY_CHOICE:
        for (std::uint32_t i = 0; i < property.choice_count; ++i) {
            if (text == property.choices[i]) number = i;
        }
        break;
    case PLUGBAY_PROPERTY_PATH:
        texts_.push_back(text.empty() ? text : std::filesystem::absolute(text).string());
        number = texts_.back().size();
        break;
    default:
        texts_.push_back(text);
        number = text.size();
        break;
    }
    const std::string what = whose_ + ": property \"" + property.name + "\": \"" + text + "\"";
    if (!number) throw Error(what + " is not a value of its kind", PLUGBAY_INVALID);
    if (!in_range(property, *number)) throw Error(what + " is out of range", PLUGBAY_INVALID);
    value.number = *number;
}

} // namespace plugbay::testkit::detail
