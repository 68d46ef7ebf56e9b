// Rehearsals of builds for devices that run: what the child is given of the machine.
#pragma once

#include "core/base/result.hpp"
#include "core/hotswap/rehearsal.hpp"
#include "core/machine/device_manager.hpp"

#include <chrono>

namespace plugbay::core {

class Machine;

// [control]. What a child is given of the device and its peers as they are; without a state, and without what was left for it.
[[nodiscard]] Result<RehearsalRequest> rehearsal_of(Machine& machine,
                                                    const DeviceManager::Replacement& replacement,
                                                    const std::shared_ptr<const StagedPlugin>& plugin);
// [control]. The machine now, without its RAM: for that, see GuestMemory::share().
[[nodiscard]] RehearsedMachine as_seen(const Machine& machine);

// [control]. The device is held for a moment, for a snapshot of its state. `call_off` as in RehearsalRequest.
[[nodiscard]] Result<RehearsalReport> rehearse_live(Machine& machine,
                                                    const DeviceManager::Replacement& replacement,
                                                    const std::shared_ptr<const StagedPlugin>& plugin,
                                                    std::chrono::milliseconds limit, int call_off);

} // namespace plugbay::core
