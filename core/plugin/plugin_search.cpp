#include "core/plugin/plugin_search.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace plugbay::core {

std::vector<std::filesystem::path> default_plugin_directories() {
    std::vector<std::filesystem::path> directories;
    const char* variable = std::getenv("PLUGBAY_PLUGIN_PATH");
    std::string_view rest = variable != nullptr ? variable : "";
    while (!rest.empty()) {
        const std::string_view part = rest.substr(0, rest.find(':'));
        if (!part.empty()) directories.emplace_back(part);
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    }
    std::error_code failed;
    const auto executable = std::filesystem::read_symlink("/proc/self/exe", failed);
    if (!failed) {
        const auto beside = executable.parent_path();
        directories.push_back(beside / "plugins");
        directories.push_back(beside.parent_path() / "lib" / "plugbay" / "plugins");
    }
    return directories;
}

std::vector<std::filesystem::path> plugin_files_in(const std::filesystem::path& directory,
                                                   std::error_code& failed) {
    std::vector<std::filesystem::path> files;
    std::filesystem::directory_iterator entry(directory, failed);
    for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
        const auto name = entry->path().filename().native();
        if (name[0] != '.' && entry->path().extension() == ".so") files.push_back(entry->path());
    }
    std::sort(files.begin(), files.end(),
              [](const auto& a, const auto& b) { return a.native() < b.native(); });
    return files;
}

} // namespace plugbay::core
