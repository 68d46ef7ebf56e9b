// Properties of a device, or options of a port: a plain struct whose members are declared once.
//
//     struct Options {
//         std::uint64_t port = 0x3f8;
//         plugbay::Path path;
//         static constexpr auto properties() {
//             return plugbay::properties(
//                 plugbay::property("port", &Options::port, "first I/O port").range(0, 0xfff8),
//                 plugbay::property("path", &Options::path, "file to serve").required());
//         }
//     };
//
// A member's initialiser is the default. Members may be bool, integers, plugbay::Size, std::string_view,
// plugbay::Path and enumerations (0, 1, 2 ... with `.choices("first", "second", ...)`). Texts point into the
// host's buffer: copy what outlives the constructor.
#pragma once

#include <plugbay/abi/property.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace plugbay {

// A number of bytes; machine files write it "64K", "512M", "2G".
struct Size {
    std::uint64_t bytes = 0;
};

// A file name; the host makes it absolute.
struct Path {
    std::string_view text = "";
};

namespace detail {

template <typename T>
constexpr std::uint32_t property_kind() {
    if constexpr (std::same_as<T, bool>) {
        return PLUGBAY_PROPERTY_BOOLEAN;
    } else if constexpr (std::unsigned_integral<T>) {
        return PLUGBAY_PROPERTY_UNSIGNED;
    } else if constexpr (std::signed_integral<T>) {
        return PLUGBAY_PROPERTY_SIGNED;
    } else if constexpr (std::same_as<T, Size>) {
        return PLUGBAY_PROPERTY_SIZE;
    } else if constexpr (std::same_as<T, std::string_view>) {
        return PLUGBAY_PROPERTY_STRING;
    } else if constexpr (std::same_as<T, Path>) {
        return PLUGBAY_PROPERTY_PATH;
    } else {
        static_assert(std::is_enum_v<T>, "not a type that a property can have");
        return PLUGBAY_PROPERTY_CHOICE;
    }
}

inline constexpr std::uint64_t longest_text = 4096;

template <typename T>
constexpr std::uint64_t lowest() {
    if constexpr (std::signed_integral<T> && !std::same_as<T, bool>) {
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(std::numeric_limits<T>::min()));
    } else {
        return 0;
    }
}

template <typename T>
constexpr std::uint64_t highest() {
    if constexpr (std::integral<T>) {
        return static_cast<std::uint64_t>(std::numeric_limits<T>::max());
    } else if constexpr (std::same_as<T, Size>) {
        return std::numeric_limits<std::uint64_t>::max();
    } else if constexpr (std::is_enum_v<T>) {
        return 0; // set by choices()
    } else {
        return longest_text;
    }
}

} // namespace detail

// One declaration; see the top of the file.
template <typename Struct, typename T, std::size_t ChoiceCount = 0>
struct Property {
    const char* name;
    T Struct::*member;
    const char* help;
    std::uint32_t flags = 0;
    std::uint64_t minimum = detail::lowest<T>();
    std::uint64_t maximum = detail::highest<T>();
    std::array<const char*, ChoiceCount> choice_names{};

    [[nodiscard]] constexpr Property required() const {
        auto copy = *this;
        copy.flags |= PLUGBAY_PROPERTY_REQUIRED;
        return copy;
    }
    [[nodiscard]] constexpr Property live() const {
        auto copy = *this;
        copy.flags |= PLUGBAY_PROPERTY_LIVE;
        return copy;
    }
    // Both inclusive: of the number, or of a text's length in bytes.
    [[nodiscard]] constexpr Property range(auto low, auto high) const {
        auto copy = *this;
        copy.minimum = static_cast<std::uint64_t>(low);
        copy.maximum = static_cast<std::uint64_t>(high);
        return copy;
    }
    template <typename... Names>
    [[nodiscard]] constexpr auto choices(Names... names) const {
        static_assert(std::is_enum_v<T>, "choices() is for enumerations");
        return Property<Struct, T, sizeof...(Names)>{name,      member, help, flags, 0, sizeof...(Names) - 1,
                                                     {names...}};
    }
};

template <typename Struct, typename T>
constexpr Property<Struct, T> property(const char* name, T Struct::*member, const char* help) {
    return {name, member, help};
}

template <typename... Declarations>
constexpr auto properties(Declarations... declarations) {
    return std::tuple<Declarations...>(declarations...);
}

namespace detail {

// The ABI's view of a struct with properties(), constant-initialised so that tools read it from the file.
template <typename Struct>
class PropertyTable {
    static constexpr auto declared = Struct::properties();
    static constexpr Struct defaults{};

    template <typename T, std::size_t N>
    static constexpr plugbay_property describe(const Property<Struct, T, N>& property) {
        static_assert(!std::is_enum_v<T> || N > 0, "an enumeration needs choices()");
        plugbay_property result{};
        result.size = sizeof(plugbay_property);
        result.kind = property_kind<T>();
        result.flags = property.flags;
        result.choice_count = N;
        result.name = property.name;
        result.help = property.help;
        result.minimum = property.minimum;
        result.maximum = property.maximum;
        result.choices = N == 0 ? nullptr : property.choice_names.data();
        const T& value = defaults.*(property.member);
        if constexpr (std::same_as<T, Size>) {
            result.default_number = value.bytes;
        } else if constexpr (std::same_as<T, std::string_view>) {
            result.default_text = value.data();
        } else if constexpr (std::same_as<T, Path>) {
            result.default_text = value.text.data();
        } else if constexpr (std::signed_integral<T> && !std::same_as<T, bool>) {
            result.default_number = static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
        } else {
            result.default_number = static_cast<std::uint64_t>(value);
        }
        return result;
    }

    template <typename T, std::size_t N>
    static void assign_one(Struct& target, const Property<Struct, T, N>& property,
                           const plugbay_value& value) {
        T& member = target.*(property.member);
        if constexpr (std::same_as<T, Size>) {
            member.bytes = value.number;
        } else if constexpr (std::same_as<T, std::string_view>) {
            member = {value.text, value.text_length};
        } else if constexpr (std::same_as<T, Path>) {
            member.text = {value.text, value.text_length};
        } else {
            member = static_cast<T>(value.number);
        }
    }

    static constexpr auto table = std::apply(
        [](const auto&... each) { return std::array<plugbay_property, sizeof...(each)>{describe(each)...}; },
        declared);

    static constexpr auto make_pointers() {
        std::array<const plugbay_property*, table.size()> result{};
        for (std::size_t i = 0; i < result.size(); ++i)
            result[i] = &table[i];
        return result;
    }
    static constexpr auto pointer_table = make_pointers();

  public:
    static constexpr std::uint32_t count = static_cast<std::uint32_t>(table.size());
    static constexpr const plugbay_property* const* pointers = pointer_table.data();

    // `values` has one element a property; the host has checked each against its declaration.
    static Struct parse(const plugbay_value* values) {
        Struct result{};
        std::apply([&](const auto&... each) { (assign_one(result, each, *values++), ...); }, declared);
        return result;
    }
};

} // namespace detail

} // namespace plugbay
