// Some devices held still for a change: no guest access, no timer, no doorbell reaches them meanwhile.
#pragma once

#include "core/base/result.hpp"
#include "core/bus/gate.hpp"
#include "core/device/device.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace plugbay::core {

// Thread: [control], without any callback lock. When it ends, the devices run again, the last held first, and each
// records how long that took.
class DeviceHold {
  public:
    DeviceHold() = default;
    DeviceHold(const DeviceHold&) = delete;
    DeviceHold& operator=(const DeviceHold&) = delete;
    ~DeviceHold();

    // Closes the device's gate, then quiesces it: frontends before their backends. A device that does not run, or is held
    // already, stays as it is. The gate of its PCI bus's bridge is closed too, though the bridge itself runs on: the
    // guest reaches a function's configuration space through it, and had better wait outside the bridge than inside.
    [[nodiscard]] Result<void> add(Device& device);
    // The same with a limit of its own. A device whose code is in an access or a callback that does not end is not held:
    // it goes on.
    [[nodiscard]] Result<void> add(Device& device, std::chrono::milliseconds limit);
    [[nodiscard]] bool holds(const Device& device) const;
    // `successor` has taken over: it runs when the hold ends.
    void replace(const Device& before, Device& successor);
    // The device is going to be destroyed: guest accesses find nobody from now on.
    void let_go(Device& device);

  private:
    struct Held {
        Device* device;
        std::uint64_t since;                          // host time, nanoseconds
        std::unique_ptr<GateClosed> bridge_gate = {}; // null: it is on no bus
        std::unique_ptr<GateClosed> gate = {};
    };
    std::vector<Held> held_;
};

} // namespace plugbay::core
