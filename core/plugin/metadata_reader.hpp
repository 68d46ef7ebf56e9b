// Reads what a plugin says about itself from its file. No code of the plugin runs and nothing of it is
// loaded, so the file may be hostile: every offset, count and text in it is checked, and the work is bounded
// by the limits below. docs/plugin-file.md describes the file.
#pragma once

#include "core/base/result.hpp"
#include "core/plugin/description.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace plugbay::core {

// More than this in a file is refused, never cut.
struct PluginLimits {
    static constexpr std::uint32_t types = 256;
    static constexpr std::uint32_t properties = 256; // of a type; also options of a port
    static constexpr std::uint32_t ports = 64;       // of a type
    static constexpr std::uint32_t choices = 256;    // of a property
    static constexpr std::uint32_t declarations_of_type = 64;
    static constexpr std::size_t name_bytes =
        64; // of plugins, types, properties, ports, choices, interfaces, registers
    static constexpr std::size_t text_bytes = 4096;
    static constexpr std::size_t all_texts_bytes = 1 << 20; // of a plugin
    static constexpr std::size_t declarations =
        1 << 14; // of a plugin: types, properties, choices, ports, registers and their parts
};

// The checked description of the plugin in `file`. The error's message starts with the file's name.
[[nodiscard]] Result<PluginDescription> read_plugin_metadata(const std::filesystem::path& file);

// Of a copy of `file`: description and error name `file`.
[[nodiscard]] Result<PluginDescription> read_plugin_metadata(const std::filesystem::path& copy,
                                                             const std::filesystem::path& file);

} // namespace plugbay::core
