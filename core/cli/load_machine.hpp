// From a machine file on the command line to its checked configuration and the device types it uses.
#pragma once

#include "core/config/machine_file.hpp"
#include "core/plugin/master_device_table.hpp"

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace plugbay::core {

struct MachineArguments {
    std::string file;
    std::vector<std::string> overrides;         // --set
    std::vector<std::filesystem::path> plugins; // --plugin
};

struct LoadedMachine {
    MachineConfig config;
    MasterDeviceTable device_types;
};

// Where the plugins of a document are looked for; `plugins` as in MachineArguments.
[[nodiscard]] PluginSearch plugins_for(const MachineDocument& document,
                                       std::span<const std::filesystem::path> plugins);

// Empty when the file is wrong. `tell` is called once with every mistake, also when there is none; what is to be
// said of plugins that were refused goes to `errors`, one a line. The configuration has all plugins, those of --plugin too.
[[nodiscard]] std::optional<LoadedMachine>
load_machine(const MachineArguments& arguments, std::ostream& errors,
             const std::function<void(std::span<const Diagnostic>)>& tell);

// The same for a document that was read already.
[[nodiscard]] std::optional<LoadedMachine>
load_document(const MachineDocument& document, std::span<const std::filesystem::path> plugins,
              std::ostream& errors, const std::function<void(std::span<const Diagnostic>)>& tell);

} // namespace plugbay::core
