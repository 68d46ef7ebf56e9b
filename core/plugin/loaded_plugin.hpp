// A plugin in the process: its library and its descriptor.
#pragma once

#include "core/base/result.hpp"
#include "core/plugin/description.hpp"

#include <plugbay/abi/plugin.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace plugbay::core {

// Keeps the library loaded for as long as anybody holds the pointer: every device must hold one, because its
// callbacks are code in the library. [control]
class LoadedPlugin {
  public:
    // Loads the plugin that `description` was read from. All of its symbols are bound now, and none of them
    // is visible to other plugins. Refused when the loaded descriptor does not say what `description` says
    // (the file was replaced in between, or its descriptor is not constant).
    [[nodiscard]] static Result<std::shared_ptr<const LoadedPlugin>>
    load(const PluginDescription& description);

    // The same from a copy of the file; errors name `description.file`.
    [[nodiscard]] static Result<std::shared_ptr<const LoadedPlugin>>
    load(const PluginDescription& description, const std::filesystem::path& copy);

    // Reads the description first.
    [[nodiscard]] static Result<std::shared_ptr<const LoadedPlugin>> load(const std::filesystem::path& file);

    // Unloads the library, if the dynamic loader agrees: see still_mapped() in core/plugin/mapped_image.hpp.
    ~LoadedPlugin();
    LoadedPlugin(const LoadedPlugin&) = delete;
    LoadedPlugin& operator=(const LoadedPlugin&) = delete;

    [[nodiscard]] const plugbay_plugin& descriptor() const { return *descriptor_; }
    [[nodiscard]] const PluginDescription& description() const { return description_; }

    // By what this build is told from others: its own word, or else the linker's. Empty: neither has one.
    [[nodiscard]] std::string build_id() const;

    // The file as the dynamic loader knows it: that of the description, or a copy. For still_mapped().
    [[nodiscard]] std::filesystem::path image() const;

    // The type's table in the library, or nullptr when the plugin has no such type.
    [[nodiscard]] const plugbay_device_type* find_type(std::string_view name) const;
    // What the file said about it; nullptr likewise.
    [[nodiscard]] const TypeDescription* describe_type(std::string_view name) const;

  private:
    struct Library;
    LoadedPlugin(std::unique_ptr<Library> library, const plugbay_plugin& descriptor,
                 PluginDescription description);

    std::unique_ptr<Library> library_;
    const plugbay_plugin* descriptor_;
    PluginDescription description_;
};

} // namespace plugbay::core
