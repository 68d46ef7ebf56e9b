// One value of a machine file against its declaration: kind, bounds, and the form it is stored in.
#pragma once

#include "core/config/located_value.hpp"
#include "core/config/machine_config.hpp"
#include "core/config/reporter.hpp"
#include "core/plugin/description.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace plugbay::core {

// What reading values needs besides the value.
struct ReadContext {
    Reporter& reporter;
    const std::filesystem::path& directory;          // for paths in the file
    const std::filesystem::path& override_directory; // for paths given by --set
};

// Reports what is wrong with the value at `path` and gives nothing then. A text without a declared maximum
// length (0) may have any.
[[nodiscard]] std::optional<PropertyValue> read_value(const ReadContext& context,
                                                      const PropertyDescription& property,
                                                      const LocatedValue& value, const std::string& path,
                                                      std::uint64_t multiple_of = 1);

// What the property is when nobody says otherwise.
[[nodiscard]] PropertyValue default_value(const ReadContext& context, const PropertyDescription& property,
                                          const SourcePosition& position);

// `text`, absolute; "" stays "".
[[nodiscard]] std::string absolute_path(const ReadContext& context, const std::string& text,
                                        const SourcePosition& position);

// In words: "an integer from 1 to 16", and how a value is written: "0x3f8", "512M", "true".
[[nodiscard]] std::string expected_kind(const PropertyDescription& property);
[[nodiscard]] std::string value_words(const PropertyDescription& property, std::uint64_t number,
                                      const std::string& text);

} // namespace plugbay::core
