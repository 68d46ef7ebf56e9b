// Whether another build can serve for a device that runs, by what both say of themselves. None of its code runs.
#pragma once

#include "core/base/result.hpp"
#include "core/machine/device_manager.hpp"
#include "core/plugin/description.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace plugbay::core {

// "serial-16550 1.1.0 (9f02...)".
[[nodiscard]] std::string build_name(const PluginDescription& plugin);

struct BuildFit {
    DeviceManager::Replacement replacement; // without the type
    std::vector<std::string> notes = {};    // what is different and does no harm
};
// A device's configuration, and the options of the links that it is the frontend of, as they are now and as `after` declares them.
struct CarriedConfiguration {
    std::vector<PropertyValue> properties = {};
    std::map<std::uint32_t, std::vector<PropertyValue>> options = {}; // by port
    std::vector<std::string> notes = {};                              // what is different and does no harm
    std::vector<std::string> mistakes = {}; // what cannot be carried over; not empty: the values mean nothing
};
// The ports are the same. [control]
[[nodiscard]] CarriedConfiguration carry_configuration(const DeviceManager& devices, const Device& device,
                                                       const TypeDescription& after);

// The device's configuration under the declarations of the new build; the error says why that one cannot go on where the
// device is. [control]
[[nodiscard]] Result<BuildFit> fit_build(const DeviceManager& devices, const std::string& id,
                                         const PluginDescription& after);

} // namespace plugbay::core
