// Plugin files taken in: private copies under names with their contents' hash, so that a build is what it was when it
// was looked at, whatever its author does to the file, and so that two builds of one file can be loaded at once: the
// dynamic loader gives the image it has for a path or inode that it knows.
#pragma once

#include "core/base/result.hpp"
#include "core/plugin/description.hpp"
#include "core/plugin/loaded_plugin.hpp"

#include <plugbay/unique_fd.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace plugbay::core {

// A copy, looked at but not loaded. It is removed with the object, unless its image is in the process still: then with its
// Staging.
class StagedPlugin {
  public:
    StagedPlugin(std::filesystem::path copy, PluginDescription description)
        : copy_(std::move(copy)), description_(std::move(description)) {}
    ~StagedPlugin();
    StagedPlugin(const StagedPlugin&) = delete;
    StagedPlugin& operator=(const StagedPlugin&) = delete;

    [[nodiscard]] const std::filesystem::path& copy() const { return copy_; }
    // Names its author's file.
    [[nodiscard]] const PluginDescription& description() const { return description_; }

  private:
    std::filesystem::path copy_;
    PluginDescription description_;
};

// Errors name the author's file, never the copy. [control]
class Staging {
  public:
    static constexpr std::uint64_t largest_file = std::uint64_t{1} << 30; // bytes

    Staging() = default;
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;
    // Removes the folder of copies. What is loaded stays loaded. One that is left by a monitor that was killed goes when the
    // next one of the same user makes its own.
    ~Staging();

    // Copies the file and reads the copy's metadata; nothing of the plugin runs. Regular files only, perhaps through
    // symbolic links. What has the contents of a copy that somebody holds is that copy, under its first name.
    [[nodiscard]] Result<std::shared_ptr<const StagedPlugin>> stage(const std::filesystem::path& file);

    // Loads the copy. The same staged plugin gives the same image for as long as somebody holds it. One that was let go
    // but is pinned (still_mapped() of its copy) is used again, with its variables as they are.
    [[nodiscard]] Result<std::shared_ptr<const LoadedPlugin>>
    load(const std::shared_ptr<const StagedPlugin>& staged);

    // For what a machine begins with: a copy of the plugin's file, if that is what `description` says, is loaded, so that the
    // author may write over the file while its code runs. Where that cannot be, the file itself is, with a warning.
    [[nodiscard]] Result<std::shared_ptr<const LoadedPlugin>> load(const PluginDescription& description);

  private:
    Result<void> make_folder();
    [[nodiscard]] Result<std::shared_ptr<const LoadedPlugin>>
    load(const std::shared_ptr<const StagedPlugin>& staged, const PluginDescription& description);
    [[nodiscard]] std::filesystem::path
    name_for(const std::filesystem::path& file, const std::filesystem::path& fresh, std::uint64_t hash) const;

    std::filesystem::path folder_; // empty until needed
    UniqueFd lock_;                // of the folder, while it is in use
    std::map<std::filesystem::path, std::weak_ptr<const StagedPlugin>> staged_; // by copy
    std::map<std::filesystem::path, std::weak_ptr<const LoadedPlugin>> loaded_; // by copy
};

} // namespace plugbay::core
