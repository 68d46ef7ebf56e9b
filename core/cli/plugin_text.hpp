// What a plugin's file says about it, for people and for programs: what `plugbay devices` and `plugbay inspect` share.
#pragma once

#include "core/plugin/description.hpp"

#include <nlohmann/json.hpp>

#include <iosfwd>
#include <string>
#include <vector>

namespace plugbay::core {

// The keys are part of the interface of the commands.
[[nodiscard]] nlohmann::ordered_json plugin_json(const PluginDescription& plugin);
// `plugin` is left out if it is null.
[[nodiscard]] nlohmann::ordered_json type_json(const TypeDescription& type,
                                               const nlohmann::ordered_json& plugin = nullptr);
// File names may hold any bytes; those that are not UTF-8 are replaced.
void print_json(std::ostream& out, const nlohmann::ordered_json& json);

// `ABI 1.0, build id "", licence "MIT"`
[[nodiscard]] std::string build_text(const PluginDescription& plugin);
// "version 2, loads from version 1"
[[nodiscard]] std::string state_text(const TypeDescription& type);
// Properties and ports, each as a table below a heading.
void print_declarations(std::ostream& out, const TypeDescription& type);
// Columns as wide as their widest cell, two blanks between them.
void print_table(std::ostream& out, const std::string& indent,
                 const std::vector<std::vector<std::string>>& rows);

} // namespace plugbay::core
