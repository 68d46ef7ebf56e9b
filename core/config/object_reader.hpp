// The members of one object of a machine file against their declarations.
#pragma once

#include "core/config/machine_keys.hpp"
#include "core/config/value_reader.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

// One object, where it is, and what to call it in `unknown property "x" of <owner>`.
struct ObjectPlace {
    const LocatedValue& object;
    std::string path;
    std::string owner;
};

[[nodiscard]] std::vector<std::string> names_of(std::span<const PropertyDescription> properties);
[[nodiscard]] std::vector<std::string> names_of(std::span<const KeyDeclaration> keys);

// Reports each member whose name is not in `valid`, except one named `ignored`.
void check_names(const ReadContext& context, const ObjectPlace& place, const std::vector<std::string>& valid,
                 std::string_view ignored = {});

// The member's value, or its default: also when the member is wrong, or missing although required, which is
// reported.
[[nodiscard]] PropertyValue read_member(const ReadContext& context, const ObjectPlace& place,
                                        const PropertyDescription& property, std::uint64_t multiple_of = 1);
[[nodiscard]] std::vector<PropertyValue> read_members(const ReadContext& context, const ObjectPlace& place,
                                                      std::span<const PropertyDescription> properties);

// An object's member of the given structure: reports when it is missing although required, or something else;
// nullptr then.
[[nodiscard]] const LocatedValue* find_structure(const ReadContext& context, const ObjectPlace& place,
                                                 const KeyDeclaration& key);

// Reports that `value` is no `expected`.
void report_wrong_kind(const ReadContext& context, const LocatedValue& value, const std::string& path,
                       const std::string& expected);

} // namespace plugbay::core
