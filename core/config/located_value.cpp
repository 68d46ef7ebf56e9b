#include "core/config/located_value.hpp"

#include "core/config/source_text.hpp"

#include <algorithm>

namespace plugbay::core {
namespace {

constexpr std::size_t longest_plain_name = 64;

} // namespace

const LocatedMember* LocatedValue::find(std::string_view name) const {
    const auto member = std::ranges::find(members, name, &LocatedMember::name);
    return member == members.end() ? nullptr : &*member;
}

LocatedMember* LocatedValue::find(std::string_view name) {
    const auto member = std::ranges::find(members, name, &LocatedMember::name);
    return member == members.end() ? nullptr : &*member;
}

std::string description_of(const LocatedValue& value) {
    constexpr std::size_t longest_number = 40;
    switch (value.kind) {
    case LocatedValue::Kind::null:
        return "null";
    case LocatedValue::Kind::boolean:
        return value.truth ? "true" : "false";
    case LocatedValue::Kind::integer:
    case LocatedValue::Kind::other_number:
        return value.text.size() <= longest_number ? value.text
                                                   : value.text.substr(0, longest_number) + "...";
    case LocatedValue::Kind::text:
        return in_quotes(value.text);
    case LocatedValue::Kind::array:
        return "an array";
    case LocatedValue::Kind::object:
        return "an object";
    }
    return {};
}

std::string member_path(std::string_view path, std::string_view name) {
    const auto is_plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-' || c == '$';
    };
    std::string result(path);
    if (name.empty() || name.size() > longest_plain_name || !std::ranges::all_of(name, is_plain)) {
        return result + '[' + in_quotes(name) + ']';
    }
    if (!result.empty()) result += '.';
    return result += name;
}

std::string element_path(std::string_view path, std::size_t index) {
    return std::string(path) + '[' + std::to_string(index) + ']';
}

} // namespace plugbay::core
