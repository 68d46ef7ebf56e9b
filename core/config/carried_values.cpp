#include "core/config/carried_values.hpp"

#include "core/config/machine_file.hpp"
#include "core/config/resolved_machine.hpp"
#include "core/config/value_reader.hpp"

#include <plugbay/abi/property.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fmt/format.h>

namespace plugbay::core {

namespace {

// The value as a machine file would say it, read by the new declaration.
std::optional<PropertyValue> read_again(const PropertyDescription& before, const PropertyDescription& after,
                                        const PropertyValue& value, std::string& mistake) {
    const MachineDocument document =
        parse_machine_text("{ \"value\": " + value_json(before, value).dump() + " }", "property", "/");
    Reporter reporter(document.file, document.source, document.overrides);
    reporter.keep(document.diagnostics);
    std::optional<PropertyValue> read;
    if (document.root) {
        const ReadContext context{reporter, document.directory, document.override_directory};
        read = read_value(context, after, document.root->find("value")->value, after.name);
    }
    for (const Diagnostic& each : reporter.take()) {
        read.reset();
        mistake = each.message;
    }
    return read;
}

std::string words(const PropertyDescription& property, const PropertyValue& value) {
    return value_words(property, value.number, value.text);
}

bool same_default(const PropertyDescription& one, const PropertyDescription& other) {
    return one.kind == other.kind && one.default_number == other.default_number &&
           one.default_text == other.default_text && one.choices == other.choices;
}

} // namespace

CarriedValues carry_over(std::span<const PropertyDescription> before,
                         std::span<const PropertyDescription> after, std::span<const PropertyValue> values) {
    CarriedValues carried;
    for (const PropertyDescription& property : after) {
        const auto old = std::ranges::find(before, property.name, &PropertyDescription::name);
        const PropertyValue fallback{.number = property.default_number, .text = property.default_text};
        if (old == before.end()) {
            if ((property.flags & PLUGBAY_PROPERTY_REQUIRED) != 0) {
                carried.mistakes.push_back(fmt::format(
                    "the new build needs the property \"{}\", which has no default", property.name));
            } else {
                carried.notes.push_back(fmt::format("the new property \"{}\" is {}, its default",
                                                    property.name, words(property, fallback)));
            }
            carried.values.push_back(fallback);
            continue;
        }
        const PropertyValue& value = values[static_cast<std::size_t>(old - before.begin())];
        if (!value.given) {
            const bool same = same_default(*old, property);
            if (!same) {
                carried.notes.push_back(fmt::format("the default of \"{}\" is {} now, not {}", property.name,
                                                    words(property, fallback), words(*old, value)));
            }
            carried.values.push_back(same ? value : fallback);
            continue;
        }
        std::string mistake;
        auto read = read_again(*old, property, value, mistake);
        if (!read) {
            carried.mistakes.push_back(
                fmt::format("the property \"{}\", which is {}, does not fit the new build: {}", property.name,
                            words(*old, value), mistake));
        }
        carried.values.push_back(read.value_or(fallback));
    }
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (std::ranges::find(after, before[i].name, &PropertyDescription::name) != after.end()) continue;
        auto& list = values[i].given ? carried.mistakes : carried.notes;
        list.push_back(fmt::format("the property \"{}\", which is {}, is gone from the new build",
                                   before[i].name, words(before[i], values[i])));
    }
    return carried;
}

} // namespace plugbay::core
