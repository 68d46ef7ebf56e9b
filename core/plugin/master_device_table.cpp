#include "core/plugin/master_device_table.hpp"

#include "core/base/nearest_name.hpp"
#include "core/plugin/metadata_reader.hpp"

#include <algorithm>
#include <set>
#include <sys/stat.h>
#include <utility>

namespace plugbay::core {

namespace {

// A plugin that cannot be read may have had a type that its file is named after.
bool may_have_had(const PluginRefusal& refusal, std::string_view type) {
    if (std::find(refusal.types.begin(), refusal.types.end(), type) != refusal.types.end()) return true;
    if (!refusal.types.empty()) return false;
    const std::string stem = refusal.file.stem().string();
    return !stem.empty() &&
           (stem.find(type) != std::string::npos || type.find(stem) != std::string_view::npos);
}

// Names a file whichever way it was reached.
class SeenFiles {
  public:
    bool first_time(const std::filesystem::path& file) {
        struct stat status {};
        if (::stat(file.c_str(), &status) != 0) return true;
        return seen_.emplace(status.st_dev, status.st_ino).second;
    }

  private:
    std::set<std::pair<dev_t, ino_t>> seen_;
};

} // namespace

MasterDeviceTable::FileStamp MasterDeviceTable::FileStamp::of(const std::filesystem::path& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) return {};
    constexpr std::int64_t second = 1'000'000'000;
    return {.device = status.st_dev,
            .inode = status.st_ino,
            .size = status.st_size,
            .changed = status.st_mtim.tv_sec * second + status.st_mtim.tv_nsec};
}

MasterDeviceTable MasterDeviceTable::build(const PluginSearch& search) {
    MasterDeviceTable table;
    table.search_ = search;
    table.search();
    return table;
}

void MasterDeviceTable::search() {
    SeenFiles seen;
    for (const auto& file : search_.files) {
        if (seen.first_time(file)) add(file);
    }
    for (const auto& directory : search_.directories) {
        std::error_code failed;
        const auto files = plugin_files_in(directory, failed);
        if (failed == std::errc::no_such_file_or_directory) continue;
        directories_.push_back(directory);
        for (const auto& file : files) {
            if (seen.first_time(file)) add(file);
        }
        if (failed) {
            refusals_.push_back(
                {.file = directory,
                 .error = Error{directory.string() + " cannot be searched: " + failed.message(),
                                "every element of the search path must be a readable directory"},
                 .types = {}});
        }
    }
}

void MasterDeviceTable::refresh() {
    const auto stays = [](const Plugin& plugin) {
        return plugin.kept != nullptr || !plugin.loaded.expired() ||
               FileStamp::of(plugin.description.file) == plugin.stamp;
    };
    std::erase_if(rows_, [&](const auto& entry) { return !stays(*entry.second.plugin); });
    std::erase_if(plugins_, [&](const std::unique_ptr<Plugin>& plugin) {
        return std::ranges::none_of(rows_,
                                    [&](const auto& entry) { return entry.second.plugin == plugin.get(); });
    });
    for (auto& [name, row] : rows_)
        row.rivals.clear();
    refusals_.clear();
    directories_.clear();
    search();
}

void MasterDeviceTable::add(const std::filesystem::path& file) {
    const auto is_known = [&](const std::unique_ptr<Plugin>& plugin) {
        return plugin->description.file == file;
    };
    if (std::ranges::any_of(plugins_, is_known)) return; // since an earlier search
    const FileStamp stamp = FileStamp::of(file);
    auto description = read_plugin_metadata(file);
    if (!description) {
        refusals_.push_back({.file = file, .error = std::move(description).error(), .types = {}});
        return;
    }
    for (const TypeDescription& type : description->types) {
        const auto row = rows_.find(type.name);
        if (row == rows_.end()) continue;
        const Plugin& there = *row->second.plugin;
        if (there.kept != nullptr && there.description.name == description->name)
            return; // keep() has replaced it
        return refuse_duplicate(*description, type.name);
    }
    auto plugin = std::make_unique<Plugin>(Plugin{*std::move(description), stamp});
    for (const TypeDescription& type : plugin->description.types) {
        rows_.emplace(type.name, Row{plugin.get(), &type, {}});
    }
    plugins_.push_back(std::move(plugin));
}

void MasterDeviceTable::refuse_duplicate(const PluginDescription& plugin, const std::string& type) {
    PluginRefusal refusal{.file = plugin.file, .error = {}, .types = {}};
    for (const TypeDescription& own : plugin.types) {
        refusal.types.push_back(own.name);
        const auto row = rows_.find(own.name);
        if (row != rows_.end()) row->second.rivals.push_back(plugin.file);
    }
    refusal.error = Error{plugin.file.string() + " provides device type \"" + type + "\", which " +
                              rows_.at(type).plugin->description.file.string() + " already provides",
                          "remove one of the two files, or rename the type"};
    refusals_.push_back(std::move(refusal));
}

std::vector<MasterDeviceTable::Entry> MasterDeviceTable::types() const {
    std::vector<Entry> entries;
    entries.reserve(rows_.size());
    for (const auto& [name, row] : rows_)
        entries.push_back({row.type, &row.plugin->description});
    return entries;
}

std::vector<const PluginDescription*> MasterDeviceTable::plugins() const {
    std::vector<const PluginDescription*> descriptions;
    descriptions.reserve(plugins_.size());
    for (const auto& plugin : plugins_)
        descriptions.push_back(&plugin->description);
    return descriptions;
}

const TypeDescription* MasterDeviceTable::find(std::string_view type) const {
    const auto row = rows_.find(type);
    return row != rows_.end() ? row->second.type : nullptr;
}

const PluginDescription* MasterDeviceTable::plugin_of(std::string_view type) const {
    const auto row = rows_.find(type);
    return row != rows_.end() ? &row->second.plugin->description : nullptr;
}

std::optional<Error> MasterDeviceTable::ambiguity(std::string_view type) const {
    const auto row = rows_.find(type);
    if (row == rows_.end() || row->second.rivals.empty()) return std::nullopt;
    std::string files = row->second.plugin->description.file.string();
    for (const auto& rival : row->second.rivals)
        files += " and " + rival.string();
    return Error{"device type \"" + row->first + "\" is provided by " + files +
                     "; it is not plain which one the machine means",
                 "remove all but one of them from the search path"};
}

Result<LoadedType> MasterDeviceTable::load(std::string_view type) {
    const auto row = rows_.find(type);
    if (row == rows_.end()) return unknown_type(type);
    if (auto rivalry = ambiguity(type)) return *std::move(rivalry);
    Plugin& plugin = *row->second.plugin;
    auto loaded = plugin.loaded.lock();
    if (loaded == nullptr) {
        auto done = loader_(plugin.description);
        if (!done) return with_context("device type \"" + row->first + "\"", std::move(done).error());
        loaded = *std::move(done);
        plugin.loaded = loaded;
    }
    const plugbay_device_type* table = loaded->find_type(type);
    if (table == nullptr) return unknown_type(type);
    return LoadedType{std::move(loaded), table};
}

void MasterDeviceTable::keep(std::string_view type, std::shared_ptr<const LoadedPlugin> build) {
    if (rows_.find(type)->second.plugin->kept == build) return;
    auto next = std::make_unique<Plugin>(Plugin{build->description(), {}, build, build});
    const std::string name = rows_.find(type)->second.plugin->description.name;
    for (const TypeDescription& each : next->description.types) {
        const auto [row, added] = rows_.try_emplace(each.name, Row{next.get(), &each, {}});
        if (added || row->second.plugin->description.name != name) continue;
        row->second.plugin = next.get();
        row->second.type = &each;
    }
    plugins_.push_back(std::move(next));
    std::erase_if(plugins_, [&](const std::unique_ptr<Plugin>& plugin) {
        return std::ranges::none_of(rows_,
                                    [&](const auto& entry) { return entry.second.plugin == plugin.get(); });
    });
}

Error MasterDeviceTable::unknown_type(std::string_view type) const {
    // A text of any length may come from a machine file; no name is longer than this.
    const std::string_view shown = type.substr(0, PluginLimits::name_bytes);
    Error error{"unknown device type \"" + std::string(shown) + (shown.size() < type.size() ? "..." : "") +
                "\""};
    const auto say = [&error](const std::string& sentence) {
        error.hint += (error.hint.empty() ? "" : "; ") + sentence;
    };
    std::vector<std::string> names;
    for (const auto& [name, row] : rows_)
        names.push_back(name);
    const std::string nearest = nearest_name(shown, names);
    if (!nearest.empty()) say("did you mean \"" + nearest + "\"?");
    bool explained = !nearest.empty();
    for (const PluginRefusal& refusal : refusals_) {
        if (!may_have_had(refusal, type)) continue;
        say("a plugin that may have it was refused: " + refusal.error.text());
        explained = true;
    }
    if (!explained && rows_.empty()) {
        std::string places;
        for (const auto& directory : directories_)
            places += " " + directory.string();
        say(places.empty() ? "no plugin directory exists; set PLUGBAY_PLUGIN_PATH"
                           : "no plugin was found in" + places);
    } else if (!explained) {
        say("\"plugbay devices\" lists the known types");
    }
    if (!refusals_.empty())
        say(std::to_string(refusals_.size()) + " files were refused, see \"plugbay devices\"");
    return error;
}

} // namespace plugbay::core
