// The rules of abi/plugin.h and abi/property.h for what a plugin declares.
#pragma once

#include "core/base/result.hpp"
#include "core/plugin/description.hpp"

#include <string_view>

namespace plugbay::core {

// Type and plugin names: lower-case letters, digits and "-", at most PluginLimits::name_bytes of them.
[[nodiscard]] bool is_type_name(std::string_view name);

// "char/1", "com.example.laser/1": dot-separated words, "/", a version from 1.
[[nodiscard]] bool is_interface_id(std::string_view id);

// The first broken rule, or success. The error says which type and property it is in.
[[nodiscard]] Result<void> check_description(const PluginDescription& plugin);

} // namespace plugbay::core
