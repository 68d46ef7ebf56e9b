#include "core/cli/dev/built_plugins.hpp"

#include "core/plugin/metadata_reader.hpp"

#include <algorithm>
#include <string_view>
#include <sys/stat.h>
#include <tuple>

namespace plugbay::core::dev {

namespace {

constexpr std::size_t most_entries = 1 << 16; // of folders that are looked through
constexpr std::size_t most_plugins = 64;

std::vector<std::filesystem::path> shared_objects_below(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    std::error_code failed;
    std::size_t seen = 0;
    for (std::filesystem::recursive_directory_iterator each(folder, failed), end;
         !failed && each != end && ++seen < most_entries && files.size() < most_plugins;
         each.increment(failed)) {
        std::error_code unknown;
        const std::string name = each->path().filename().string();
        if (name.starts_with('.')) {
            if (each->is_directory(unknown)) each.disable_recursion_pending();
        } else if (name.ends_with(".so") && each->is_regular_file(unknown)) {
            files.push_back(each->path());
        }
    }
    std::ranges::sort(files);
    return files;
}

bool newer(const BuiltPlugin& one, const BuiltPlugin& other) {
    return std::tie(one.written.tv_sec, one.written.tv_nsec) >
           std::tie(other.written.tv_sec, other.written.tv_nsec);
}

} // namespace

bool BuiltPlugin::has_type(std::string_view type) const {
    return std::ranges::find(description.types, type, &TypeDescription::name) != description.types.end();
}

std::vector<BuiltPlugin> find_built_plugins(const BuildPlan& plan, std::vector<std::string>& refused) {
    auto files = shared_objects_below(plan.output / "plugins");
    if (files.empty()) files = shared_objects_below(plan.output);
    std::vector<BuiltPlugin> found;
    for (const auto& file : files) {
        struct stat status {};
        auto description = read_plugin_metadata(file);
        if (!description || ::stat(file.c_str(), &status) != 0) {
            refused.push_back(description ? file.string() + " is gone" : description.error().text());
            continue;
        }
        BuiltPlugin plugin{*std::move(description), status.st_mtim};
        const auto rival = std::ranges::find_if(found, [&](const BuiltPlugin& each) {
            return std::ranges::any_of(plugin.description.types,
                                       [&](const TypeDescription& type) { return each.has_type(type.name); });
        });
        if (rival == found.end())
            found.push_back(std::move(plugin));
        else if (newer(plugin, *rival))
            *rival = std::move(plugin);
    }
    return found;
}

} // namespace plugbay::core::dev
