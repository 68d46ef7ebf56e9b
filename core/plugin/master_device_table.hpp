// The master device table: every device type that this host can make, and the plugin file each comes from.
#pragma once

#include "core/base/result.hpp"
#include "core/plugin/description.hpp"
#include "core/plugin/loaded_plugin.hpp"
#include "core/plugin/plugin_search.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace plugbay::core {

// A file (or directory) that gave no device types, and why.
struct PluginRefusal {
    std::filesystem::path file;
    Error error;                    // the message names the file
    std::vector<std::string> types; // what it would have provided, as far as known
};

// A device type ready to make devices. `type` lives as long as `plugin` does.
struct LoadedType {
    std::shared_ptr<const LoadedPlugin> plugin;
    const plugbay_device_type* type = nullptr;
};

// One bad plugin never stops the others: it is refused as a whole, and listed. When two plugins provide the
// same type, the first keeps it and the second is refused; but because it is not plain which one is meant,
// loading that type is an error that names both files. [control]
class MasterDeviceTable {
  public:
    struct Entry {
        const TypeDescription* type;
        const PluginDescription* plugin;
    };

    // Reads the metadata of every plugin found; runs none of them.
    [[nodiscard]] static MasterDeviceTable build(const PluginSearch& search);

    // Looks again at what was searched: files that came, went or changed since count as they are now, but for plugins of
    // which something is loaded. Descriptions of types that are not loaded, given by find(), end here.
    void refresh();

    // By what load() loads plugins; LoadedPlugin::load, unless told otherwise.
    using Loader = std::function<Result<std::shared_ptr<const LoadedPlugin>>(const PluginDescription&)>;
    void load_by(Loader loader) { loader_ = std::move(loader); }

    // Every type, sorted by name.
    [[nodiscard]] std::vector<Entry> types() const;
    // Every accepted plugin, in the order found.
    [[nodiscard]] std::vector<const PluginDescription*> plugins() const;
    [[nodiscard]] const std::vector<PluginRefusal>& refusals() const { return refusals_; }

    // nullptr when there is no such type; unknown_type() says why.
    [[nodiscard]] const TypeDescription* find(std::string_view type) const;
    [[nodiscard]] const PluginDescription* plugin_of(std::string_view type) const;

    // Why load(type) refuses although find(type) has it: more than one plugin provides it. Nothing otherwise.
    [[nodiscard]] std::optional<Error> ambiguity(std::string_view type) const;

    // Loads the type's plugin, unless it is loaded: it stays so for as long as somebody holds it. A failed load leaves
    // the table as it was.
    [[nodiscard]] Result<LoadedType> load(std::string_view type);

    // Another build of the plugin that has `type`, a known one: its types, as it describes them, are made from it from now
    // on. It stays loaded until the next one is kept. What it has no longer is made from the build before; what another plugin
    // provides stays that one's. Descriptions of the build before that find() gave end here.
    void keep(std::string_view type, std::shared_ptr<const LoadedPlugin> build);

    // Explains why find(type) has nothing: the nearest name, and the refused plugins that may have had it.
    [[nodiscard]] Error unknown_type(std::string_view type) const;

  private:
    // Tells one version of a file from another.
    struct FileStamp {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        std::int64_t changed = 0; // nanoseconds since 1970
        bool operator==(const FileStamp&) const = default;
        [[nodiscard]] static FileStamp
        of(const std::filesystem::path& file); // all zero: it cannot be looked at
    };
    struct Plugin {
        PluginDescription description;
        FileStamp stamp; // of the file when it was read
        std::weak_ptr<const LoadedPlugin> loaded = {};
        std::shared_ptr<const LoadedPlugin> kept = {}; // by keep(): its file may be gone
    };
    struct Row {
        Plugin* plugin;
        const TypeDescription* type;
        std::vector<std::filesystem::path> rivals; // refused files with the same type
    };

    void search();
    void add(const std::filesystem::path& file);
    void refuse_duplicate(const PluginDescription& plugin, const std::string& type);

    std::vector<std::unique_ptr<Plugin>> plugins_;
    std::map<std::string, Row, std::less<>> rows_;
    std::vector<PluginRefusal> refusals_;
    PluginSearch search_;
    std::vector<std::filesystem::path> directories_; // those that are there, for messages
    Loader loader_ = [](const PluginDescription& description) { return LoadedPlugin::load(description); };
};

} // namespace plugbay::core
