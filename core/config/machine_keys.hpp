// Every key that a machine file may have, declared once. The reader, the suggestions in errors, the schema
// and the table in docs/machine-file.md are made from these.
#pragma once

#include "core/plugin/description.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

// Bytes of a device's id, a type's name or a machine's name.
inline constexpr std::size_t longest_id = 64;

struct KeyDeclaration {
    enum class Shape {
        value,   // one value of value.kind
        list,    // an array of such values
        object,  // an object with `members`
        objects, // an array of such objects
    };

    Shape shape = Shape::value;
    PropertyDescription
        value; // name, help and flags whatever the shape; kind and bounds where there is a value
    std::uint64_t multiple_of = 1;
    std::vector<KeyDeclaration> members = {};

    // The member of that name, which has to exist.
    [[nodiscard]] const KeyDeclaration& member(std::string_view name) const;
};

// The file itself. Below it: "boot"; "devices", whose members are what every device has; in there "frontend",
// whose members are what every connection has.
[[nodiscard]] const KeyDeclaration& machine_declaration();

// One Markdown table row a key, as docs/machine-file.md has it.
[[nodiscard]] std::string markdown_of(const KeyDeclaration& object);

} // namespace plugbay::core
