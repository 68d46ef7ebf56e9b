#include "core/config/object_reader.hpp"

#include "core/base/nearest_name.hpp"
#include "core/config/source_text.hpp"

#include <algorithm>

namespace plugbay::core {
namespace {

std::string of_owner(const ObjectPlace& place) {
    return place.owner.empty() ? "" : " of " + place.owner;
}

void report_missing(const ReadContext& context, const ObjectPlace& place, const std::string& name) {
    context.reporter.report({.kind = DiagnosticKind::missing_key,
                             .position = place.object.position,
                             .path = member_path(place.path, name),
                             .message = "missing required property " + in_quotes(name) + of_owner(place)});
}

} // namespace

std::vector<std::string> names_of(std::span<const PropertyDescription> properties) {
    std::vector<std::string> names;
    for (const auto& property : properties)
        names.push_back(property.name);
    return names;
}

std::vector<std::string> names_of(std::span<const KeyDeclaration> keys) {
    std::vector<std::string> names;
    for (const auto& key : keys)
        names.push_back(key.value.name);
    return names;
}

void check_names(const ReadContext& context, const ObjectPlace& place, const std::vector<std::string>& valid,
                 std::string_view ignored) {
    for (const auto& member : place.object.members) {
        if (context.reporter.is_full()) return;
        if (member.duplicate || (!ignored.empty() && member.name == ignored)) continue;
        if (std::ranges::find(valid, member.name) != valid.end()) continue;
        context.reporter.report({.kind = DiagnosticKind::unknown_key,
                                 .position = member.position,
                                 .path = member_path(place.path, member.name),
                                 .message = "unknown property " + in_quotes(member.name) + of_owner(place),
                                 .found = member.name,
                                 .nearest = nearest_name(member.name, valid),
                                 .valid = valid});
    }
}

PropertyValue read_member(const ReadContext& context, const ObjectPlace& place,
                          const PropertyDescription& property, std::uint64_t multiple_of) {
    if (const auto* const member = place.object.find(property.name)) {
        const auto path = member_path(place.path, property.name);
        if (auto value = read_value(context, property, member->value, path, multiple_of))
            return std::move(*value);
    } else if ((property.flags & PLUGBAY_PROPERTY_REQUIRED) != 0) {
        report_missing(context, place, property.name);
    }
    return default_value(context, property, place.object.position);
}

std::vector<PropertyValue> read_members(const ReadContext& context, const ObjectPlace& place,
                                        std::span<const PropertyDescription> properties) {
    std::vector<PropertyValue> values;
    values.reserve(properties.size());
    for (const auto& property : properties)
        values.push_back(read_member(context, place, property));
    return values;
}

const LocatedValue* find_structure(const ReadContext& context, const ObjectPlace& place,
                                   const KeyDeclaration& key) {
    const auto& name = key.value.name;
    const auto* const member = place.object.find(name);
    if (member == nullptr) {
        if ((key.value.flags & PLUGBAY_PROPERTY_REQUIRED) != 0) report_missing(context, place, name);
        return nullptr;
    }
    const bool is_object = key.shape == KeyDeclaration::Shape::object;
    if (member->value.kind == (is_object ? LocatedValue::Kind::object : LocatedValue::Kind::array)) {
        return &member->value;
    }
    report_wrong_kind(context, member->value, member_path(place.path, name),
                      is_object ? "an object" : "an array");
    return nullptr;
}

void report_wrong_kind(const ReadContext& context, const LocatedValue& value, const std::string& path,
                       const std::string& expected) {
    const auto found = description_of(value);
    context.reporter.report({.kind = DiagnosticKind::wrong_kind,
                             .position = value.position,
                             .path = path,
                             .message = "expected " + expected + ", found " + found,
                             .expected = expected,
                             .found = found});
}

} // namespace plugbay::core
