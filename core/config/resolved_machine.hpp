// A checked configuration as a machine file again, with nothing left to defaults.
#pragma once

#include "core/config/machine_config.hpp"
#include "core/config/type_catalog.hpp"
#include "core/plugin/description.hpp"

#include <nlohmann/json_fwd.hpp>

namespace plugbay::core {

// One value as a machine file has it.
[[nodiscard]] nlohmann::ordered_json value_json(const PropertyDescription& property,
                                                const PropertyValue& value);

// Read back, it makes the same configuration. `catalog` has the types that `config` was checked against. Keys that may
// not be there (a flat image's for other protocols, texts that are empty because nobody gave them) are left out.
[[nodiscard]] nlohmann::ordered_json resolved_machine(const MachineConfig& config,
                                                      const TypeCatalog& catalog);

// The properties of one device, all of them, as in its entry of a machine file.
[[nodiscard]] nlohmann::ordered_json resolved_properties(const DeviceConfig& device,
                                                         const TypeCatalog& catalog);

} // namespace plugbay::core
