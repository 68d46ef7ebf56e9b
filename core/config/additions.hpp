// What is added to a machine that runs, against what it has and against the device types.
#pragma once

#include "core/config/machine_file.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace plugbay::core {

struct Additions {
    std::vector<DeviceConfig> devices = {}; // empty when there are diagnostics
    std::vector<Diagnostic> diagnostics = {};
};

// `text` is a JSON list of devices as in a machine file; its paths are relative to `directory`. Links may lead to each
// other and to `present`, the machine's devices with their links.
[[nodiscard]] Additions validate_devices(const std::string& text, const std::filesystem::path& directory,
                                         std::span<const DeviceConfig> present, const TypeCatalog& catalog);

// `text` is a JSON object as a backend's member "frontend": the frontend's name as "id", and options for it. `backend` is
// one of `present`, without a link. Gives it with its link.
[[nodiscard]] Additions validate_link(const std::string& text, const DeviceConfig& backend,
                                      std::span<const DeviceConfig> present, const TypeCatalog& catalog);

// A new value for the property `name` of a device of that type.
struct PropertyChange {
    std::size_t property = 0; // its number in declared order
    PropertyValue value = {};
    std::vector<Diagnostic> diagnostics = {}; // when there are any the rest means nothing
};
// `text` is the value in JSON; a path is relative to `directory`.
[[nodiscard]] PropertyChange validate_property(const std::string& name, const std::string& text,
                                               const std::filesystem::path& directory,
                                               const TypeDescription& type);

} // namespace plugbay::core
