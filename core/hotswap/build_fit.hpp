// Whether another build can serve for a device that runs, by what both say of themselves. None of its code runs.
#pragma once

#include "core/base/result.hpp"
#include "core/machine/device_manager.hpp"
#include "core/plugin/description.hpp"

#include <string>
#include <vector>

namespace plugbay::core {

// "serial-16550 1.1.0 (9f02...)".
[[nodiscard]] std::string build_name(const PluginDescription& plugin);

struct BuildFit {
    DeviceManager::Replacement replacement; // without the type
    std::vector<std::string> notes = {};    // what is different and does no harm
};
// The device's configuration under the declarations of the new build; the error says why that one cannot go on where the
// device is. [control]
[[nodiscard]] Result<BuildFit> fit_build(const DeviceManager& devices, const std::string& id,
                                         const PluginDescription& after);

} // namespace plugbay::core
