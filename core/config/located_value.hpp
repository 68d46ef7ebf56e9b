// A JSON value that knows where it was written.
#pragma once

#include "core/config/diagnostic.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

struct LocatedMember;

struct LocatedValue {
    enum class Kind { null, boolean, integer, other_number, text, array, object };

    Kind kind = Kind::null;
    bool truth = false;          // boolean
    bool negative = false;       // integer
    std::uint64_t magnitude = 0; // integer, without its sign
    std::string text = {};       // text: the text. integer, other_number: as written
    std::vector<LocatedValue> elements = {};
    std::vector<LocatedMember> members; // no initialiser: the type is not complete yet
    SourcePosition position = {};

    // The member of that name (the first, when there are several), or nullptr.
    [[nodiscard]] const LocatedMember* find(std::string_view name) const;
    [[nodiscard]] LocatedMember* find(std::string_view name);
};

struct LocatedMember {
    std::string name = {};
    SourcePosition position = {}; // of the name
    LocatedValue value = {};
    bool duplicate = false; // the object has an earlier member of this name
};

// What a reader would call the value: `"abc"`, `12`, `true`, `an object`.
[[nodiscard]] std::string description_of(const LocatedValue& value);

// How a path goes on to a member: ".name", or "[\"a name\"]" where dots and blanks would confuse.
[[nodiscard]] std::string member_path(std::string_view path, std::string_view name);
[[nodiscard]] std::string element_path(std::string_view path, std::size_t index);

} // namespace plugbay::core
