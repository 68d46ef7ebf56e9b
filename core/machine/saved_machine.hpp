// A machine as a manifest and states, and what has to be true for the way back. Where they go and come from: core/checkpoint/.
#pragma once

#include "core/base/result.hpp"
#include "core/checkpoint/manifest.hpp"
#include "core/checkpoint/saved_states.hpp"
#include "core/config/machine_config.hpp"
#include "core/config/type_catalog.hpp"
#include "core/machine/machine_state.hpp"

#include <string>
#include <vector>

namespace plugbay::core {

class CheckpointSink;
class Machine;
class MasterDeviceTable;

// What the machine is made from, with the devices and links that are there now. Thread: [control].
[[nodiscard]] MachineConfig config_of(Machine& machine);

// The same for a manifest, with the devices but for their states. Thread: [control].
[[nodiscard]] Manifest manifest_of(Machine& machine, const MasterDeviceTable& device_types);
// Adds all of `state`, and has `manifest` say where.
[[nodiscard]] Result<void> add_states(CheckpointSink& sink, Manifest& manifest, const MachineState& state);

// What in this host or in `config` does not go with what was saved, all at once, one a line: devices, states that a build
// does not read, disks that changed. Empty: nothing. Nothing is made for it.
[[nodiscard]] std::vector<std::string> find_obstacles(const Manifest& manifest, const MachineConfig& config,
                                                      const TypeCatalog& catalog, bool accept_changed_disks);

// For Machine::restore().
[[nodiscard]] Result<MachineState> state_of(const Manifest& manifest, const SavedStates& states);

} // namespace plugbay::core
