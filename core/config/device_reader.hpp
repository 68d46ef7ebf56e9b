// The devices of a machine file: each by itself first, then the links between them.
#pragma once

#include "core/config/object_reader.hpp"
#include "core/config/type_catalog.hpp"

#include <span>
#include <string>
#include <vector>

namespace plugbay::core {

inline constexpr std::size_t maximum_devices = 10'000;

// A device on its way through the checks.
struct CheckedDevice {
    const LocatedValue* node = nullptr;    // nullptr: the machine has it already
    std::string path = {};                 // "devices.vda" or "devices[3]"
    const TypeDescription* type = nullptr; // nullptr: unknown, which is reported
    DeviceConfig config = {};              // id "" when there is no good one
};

// "devices.vda" for each element with a good id that no earlier one has, "devices[3]" for the others.
[[nodiscard]] std::vector<std::string> device_paths(const LocatedValue& devices);

// Everything but links. One entry an element, in order, of the first maximum_devices; those of `present`, which the
// machine has already, before them.
[[nodiscard]] std::vector<CheckedDevice> read_devices(const ReadContext& context, const LocatedValue& devices,
                                                      const TypeCatalog& catalog,
                                                      std::span<const DeviceConfig> present = {});

// Fills in the links of those that are not there yet; reports those that cannot be, and ports that need one and have
// none.
void read_links(const ReadContext& context, std::vector<CheckedDevice>& devices, const TypeCatalog& catalog);

} // namespace plugbay::core
