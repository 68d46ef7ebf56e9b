// Where plugins are looked for.
#pragma once

#include <filesystem>
#include <system_error>
#include <vector>

namespace plugbay::core {

// Files come first, in their order; then each directory's *.so, sorted by name. A file that is reached twice
// counts once.
struct PluginSearch {
    std::vector<std::filesystem::path> files;       // named by the user; one that is missing is refused
    std::vector<std::filesystem::path> directories; // one that is missing is skipped
};

// PLUGBAY_PLUGIN_PATH (colon-separated), then "plugins" and "../lib/plugbay/plugins" beside the executable.
[[nodiscard]] std::vector<std::filesystem::path> default_plugin_directories();

// The *.so in `directory`, sorted by name, hidden ones left out.
[[nodiscard]] std::vector<std::filesystem::path> plugin_files_in(const std::filesystem::path& directory,
                                                                 std::error_code& failed);

} // namespace plugbay::core
