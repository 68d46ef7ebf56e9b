// What the host tables check about ranges of ports and guest-physical addresses, and how they refuse them.
#pragma once

#include "core/bus/access_bus.hpp"
#include "core/device/device.hpp"
#include "core/device/platform.hpp"

#include <string>

namespace plugbay::core {

// "0x3f8-0x3ff"; `length` is at least 1.
[[nodiscard]] std::string range_text(std::uint64_t first, std::uint64_t length);

// Refuses addresses of which any belongs to the guest's RAM; PLUGBAY_OK otherwise.
[[nodiscard]] plugbay_status keep_off_ram(Device& device, std::uint64_t address, std::uint64_t length);

// Refuses ports or addresses of which any is the hypervisor's own; PLUGBAY_OK otherwise.
[[nodiscard]] plugbay_status keep_off_own(Device& device, OwnRange::Space space, std::uint64_t first,
                                          std::uint64_t length);

// After the bus did not place `wanted`. `what`: "ports" or "addresses".
plugbay_status refuse_unplaced(Device& device, const char* what, const Region& wanted,
                               const AccessBus::Placement& placement);

} // namespace plugbay::core
