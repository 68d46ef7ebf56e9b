#include "core/config/value_reader.hpp"

#include "core/base/nearest_name.hpp"
#include "core/config/number_text.hpp"
#include "core/config/source_text.hpp"

#include <algorithm>
#include <limits>

namespace plugbay::core {
namespace {

constexpr std::uint64_t most_negative = std::uint64_t{1} << 63;

class ValueReader {
  public:
    ValueReader(const ReadContext& context, const PropertyDescription& property, const LocatedValue& value,
                const std::string& path, std::uint64_t multiple_of)
        : context_(context), property_(property), value_(value), path_(path), multiple_of_(multiple_of) {}

    std::optional<PropertyValue> read() {
        switch (property_.kind) {
        case PLUGBAY_PROPERTY_BOOLEAN:
            if (value_.kind != LocatedValue::Kind::boolean) return refuse(DiagnosticKind::wrong_kind);
            return number(value_.truth ? 1 : 0);
        case PLUGBAY_PROPERTY_UNSIGNED:
        case PLUGBAY_PROPERTY_SIGNED:
        case PLUGBAY_PROPERTY_SIZE:
            return read_integer();
        case PLUGBAY_PROPERTY_CHOICE:
            return read_choice();
        default:
            return read_text();
        }
    }

  private:
    [[nodiscard]] PropertyValue number(std::uint64_t number) const {
        return {.given = true, .number = number, .position = value_.position};
    }

    std::optional<PropertyValue> refuse(DiagnosticKind kind, std::string expected = {}) {
        if (expected.empty()) expected = expected_kind(property_);
        const auto found = description_of(value_);
        std::string message = "expected " + expected + ", found " + found;
        const bool quotable = property_.kind >= PLUGBAY_PROPERTY_STRING &&
                              value_.kind >= LocatedValue::Kind::boolean &&
                              value_.kind < LocatedValue::Kind::text;
        if (quotable && value_.position.override_number != 0)
            message += " (for text, write it in double quotes)";
        context_.reporter.report({.kind = kind,
                                  .position = value_.position,
                                  .path = path_,
                                  .message = std::move(message),
                                  .expected = expected,
                                  .found = found});
        return std::nullopt;
    }

    std::optional<PropertyValue> read_integer() {
        NumberText parsed{.negative = value_.negative, .magnitude = value_.magnitude};
        if (value_.kind == LocatedValue::Kind::text) {
            parsed =
                property_.kind == PLUGBAY_PROPERTY_SIZE ? read_size(value_.text) : read_number(value_.text);
            if (parsed.problem == NumberText::Problem::not_a_number) return refuse(DiagnosticKind::bad_text);
        } else if (value_.kind == LocatedValue::Kind::other_number) {
            // The reader keeps integers beyond 64 bits as "other", too.
            const bool is_integer = value_.text.find_first_of(".eE") == std::string::npos;
            return refuse(is_integer ? DiagnosticKind::out_of_range : DiagnosticKind::wrong_kind);
        } else if (value_.kind != LocatedValue::Kind::integer) {
            return refuse(DiagnosticKind::wrong_kind);
        }
        if (parsed.problem != NumberText::Problem::none || !in_range(parsed)) {
            return refuse(DiagnosticKind::out_of_range);
        }
        if (parsed.magnitude % multiple_of_ != 0) {
            return refuse(DiagnosticKind::out_of_range, "a multiple of " + size_text(multiple_of_));
        }
        return number(parsed.negative ? 0 - parsed.magnitude : parsed.magnitude);
    }

    [[nodiscard]] bool in_range(const NumberText& parsed) const {
        if (property_.kind != PLUGBAY_PROPERTY_SIGNED) {
            return !parsed.negative && parsed.magnitude >= property_.minimum &&
                   parsed.magnitude <= property_.maximum;
        }
        if (parsed.magnitude > most_negative - (parsed.negative ? 0 : 1)) return false;
        const auto value =
            static_cast<std::int64_t>(parsed.negative ? 0 - parsed.magnitude : parsed.magnitude);
        return value >= static_cast<std::int64_t>(property_.minimum) &&
               value <= static_cast<std::int64_t>(property_.maximum);
    }

    std::optional<PropertyValue> read_choice() {
        if (value_.kind == LocatedValue::Kind::text) {
            const auto found = std::ranges::find(property_.choices, value_.text);
            if (found != property_.choices.end()) {
                return number(static_cast<std::uint64_t>(found - property_.choices.begin()));
            }
        }
        const bool is_text = value_.kind == LocatedValue::Kind::text;
        context_.reporter.report(
            {.kind = is_text ? DiagnosticKind::unknown_choice : DiagnosticKind::wrong_kind,
             .position = value_.position,
             .path = path_,
             .message =
                 (is_text ? "unknown value " : "expected one of the names, found ") + description_of(value_),
             .expected = "one of the valid names",
             .found = description_of(value_),
             .nearest = is_text ? nearest_name(value_.text, property_.choices) : "",
             .valid = property_.choices});
        return std::nullopt;
    }

    std::optional<PropertyValue> read_text() {
        if (value_.kind != LocatedValue::Kind::text) return refuse(DiagnosticKind::wrong_kind);
        if (value_.text.find('\0') != std::string::npos) {
            return refuse(DiagnosticKind::bad_text, "text without the character U+0000");
        }
        const auto maximum = property_.maximum == 0 ? UINT32_MAX : property_.maximum;
        if (value_.text.size() < property_.minimum || value_.text.size() > maximum) {
            return refuse(DiagnosticKind::out_of_range,
                          "a text of " + std::to_string(property_.minimum) +
                              (property_.maximum == 0 ? " or more bytes"
                                                      : " to " + std::to_string(maximum) + " bytes"));
        }
        const bool is_path = property_.kind == PLUGBAY_PROPERTY_PATH;
        return PropertyValue{.given = true,
                             .text = is_path ? absolute_path(context_, value_.text, value_.position)
                                             : value_.text,
                             .position = value_.position};
    }

    const ReadContext& context_;
    const PropertyDescription& property_;
    const LocatedValue& value_;
    const std::string& path_;
    std::uint64_t multiple_of_;
};

} // namespace

std::optional<PropertyValue> read_value(const ReadContext& context, const PropertyDescription& property,
                                        const LocatedValue& value, const std::string& path,
                                        std::uint64_t multiple_of) {
    return ValueReader(context, property, value, path, multiple_of).read();
}

PropertyValue default_value(const ReadContext& context, const PropertyDescription& property,
                            const SourcePosition& position) {
    const bool is_path = property.kind == PLUGBAY_PROPERTY_PATH;
    // A default belongs to the file, even in a device that --set wrote.
    return {.number = property.default_number,
            .text = is_path ? absolute_path(context, property.default_text, {}) : property.default_text,
            .position = position};
}

std::string absolute_path(const ReadContext& context, const std::string& text,
                          const SourcePosition& position) {
    if (text.empty()) return {};
    const std::filesystem::path written(text);
    // ".." stays: taking it away would change the meaning where a symbolic link comes before it.
    std::filesystem::path result =
        position.override_number != 0 ? context.override_directory : context.directory;
    if (written.is_absolute()) result.clear();
    for (const auto& part : written) {
        if (part != ".") result /= part;
    }
    return result.string();
}

std::string expected_kind(const PropertyDescription& property) {
    const auto range = [&property](const std::string& what) {
        return what + " from " + value_words(property, property.minimum, {}) + " to " +
               value_words(property, property.maximum, {});
    };
    switch (property.kind) {
    case PLUGBAY_PROPERTY_BOOLEAN:
        return "true or false";
    case PLUGBAY_PROPERTY_UNSIGNED:
    case PLUGBAY_PROPERTY_SIGNED:
        return range("an integer");
    case PLUGBAY_PROPERTY_SIZE:
        return range("a size");
    case PLUGBAY_PROPERTY_PATH:
        return "a path";
    case PLUGBAY_PROPERTY_CHOICE: {
        std::string result = "one of";
        for (const auto& choice : property.choices)
            result += (result.size() == 6 ? " " : ", ") + choice;
        return result;
    }
    default:
        return "a text";
    }
}

std::string value_words(const PropertyDescription& property, std::uint64_t number, const std::string& text) {
    constexpr std::uint64_t largest_decimal = 9999;
    switch (property.kind) {
    case PLUGBAY_PROPERTY_BOOLEAN:
        return number != 0 ? "true" : "false";
    case PLUGBAY_PROPERTY_SIGNED:
        return std::to_string(static_cast<std::int64_t>(number));
    case PLUGBAY_PROPERTY_SIZE:
        return size_text(number);
    case PLUGBAY_PROPERTY_CHOICE:
        return number < property.choices.size() ? property.choices[number] : std::string();
    case PLUGBAY_PROPERTY_UNSIGNED: {
        if (number <= largest_decimal) return std::to_string(number);
        std::string digits;
        for (; number != 0; number >>= 4)
            digits.insert(digits.begin(), "0123456789abcdef"[number & 15]);
        return "0x" + digits;
    }
    default:
        return text;
    }
}

} // namespace plugbay::core
