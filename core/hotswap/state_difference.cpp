#include "core/hotswap/state_difference.hpp"

#include "core/base/utf8.hpp"
#include "core/device/register_names.hpp"

#include <fmt/format.h>

#include <cstring>
#include <span>

namespace plugbay::core {

namespace {

constexpr std::size_t longest_text = 64;

std::uint64_t number_of(std::span<const std::byte> element) {
    std::uint64_t value = 0;
    for (std::size_t i = element.size(); i-- > 0;)
        value = value << 8 | std::to_integer<std::uint64_t>(element[i]);
    return value;
}

std::string element_text(std::uint32_t kind, std::span<const std::byte> element) {
    const std::uint64_t value = number_of(element);
    if (kind == PLUGBAY_FIELD_I64) return std::to_string(static_cast<std::int64_t>(value));
    return std::to_string(value);
}

std::string text_of(std::span<const std::byte> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return '"' + printable_text(text, longest_text) + '"';
}

// One element, a text, or the number of elements.
std::string value_text(const StateImage& image, const StateField& field) {
    if (field.kind == PLUGBAY_FIELD_TEXT) return text_of(image.elements(field));
    if (field.count == 1) return element_text(field.kind, image.elements(field));
    return fmt::format("{} elements", field.count);
}

// Of the same kind and number. The first that differ, and how many more.
std::string elements_text(const StateField& field, std::span<const std::byte> before,
                          std::span<const std::byte> after, std::string_view became) {
    const std::size_t size = detail::state_element_size(field.kind);
    std::uint64_t first = field.count;
    std::uint64_t differing = 0;
    for (std::uint64_t i = 0; i < field.count; ++i) {
        if (std::memcmp(before.data() + i * size, after.data() + i * size, size) == 0) continue;
        if (differing++ == 0) first = i;
    }
    std::string text = fmt::format("element {} of {}: {}{}{}", first, field.count,
                                   element_text(field.kind, before.subspan(first * size, size)), became,
                                   element_text(field.kind, after.subspan(first * size, size)));
    if (differing > 1) text += fmt::format(", and {} more differ", differing - 1);
    return text;
}

// Empty: equal.
std::string field_difference(const StateImage& before, const StateField& was, const StateImage& after,
                             const StateField& is, std::string_view became) {
    const auto old_elements = before.elements(was);
    const auto new_elements = after.elements(is);
    if (was.kind != is.kind) return fmt::format("its kind {}{}{}", was.kind, became, is.kind);
    const bool same_size = was.count == is.count;
    if (same_size && (old_elements.empty() ||
                      std::memcmp(old_elements.data(), new_elements.data(), old_elements.size()) == 0))
        return {};
    if (same_size && was.count != 1 && was.kind != PLUGBAY_FIELD_TEXT)
        return elements_text(was, old_elements, new_elements, became);
    return fmt::format("{}{}{}", value_text(before, was), became, value_text(after, is));
}

// A register's, of one value that became another; or empty.
std::string bits_difference(const RegisterDescription* of, const StateImage& before, const StateField& was,
                            const StateImage& after, const StateField& is) {
    if (of == nullptr || was.count != 1 || is.count != 1 || was.kind == PLUGBAY_FIELD_TEXT ||
        was.kind != is.kind)
        return {};
    const std::string text =
        field_differences(*of, number_of(before.elements(was)), number_of(after.elements(is)));
    return text.empty() ? text : " (" + text + ")";
}

} // namespace

std::vector<StateDifference> state_differences(const StateImage& before, const StateImage& after,
                                               const std::vector<RegisterBlockDescription>& registers,
                                               std::string_view became) {
    const auto full_name = [&](const std::string& field) {
        const RegisterDescription* of = register_of_state(registers, field);
        return of == nullptr || of->name == field ? field : field + " (" + of->name + ")";
    };
    const bool converted = before.version() != after.version();
    const auto optional = [](const StateField& field) { return (field.flags & PLUGBAY_FIELD_OPTIONAL) != 0; };
    std::vector<StateDifference> differences;
    for (const StateField& was : before.fields()) {
        const StateField* is = after.find(was.name);
        if (is == nullptr) {
            differences.push_back(
                {was.name, fmt::format("field {}: {} is gone", full_name(was.name), value_text(before, was)),
                 converted || optional(was)});
        } else if (const std::string text = field_difference(before, was, after, *is, became);
                   !text.empty()) {
            const std::string bits =
                bits_difference(register_of_state(registers, was.name), before, was, after, *is);
            differences.push_back(
                {was.name, fmt::format("field {}: {}{}", full_name(was.name), text, bits), converted});
        }
    }
    for (const StateField& is : after.fields()) {
        if (before.find(is.name) == nullptr) {
            differences.push_back(
                {is.name, fmt::format("field {}: {} is new", full_name(is.name), value_text(after, is)),
                 converted || optional(is)});
        }
    }
    return differences;
}

} // namespace plugbay::core
