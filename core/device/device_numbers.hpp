// What a device tells of itself by plugbay.statistics/1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace plugbay::core {

class Device;

struct DeviceNumber {
    std::string name;
    std::uint64_t value = 0;
    bool level = false; // rises and falls; else it only grows
};

// [control], without the device's lock. In the device's order; none when it tells nothing.
[[nodiscard]] std::vector<DeviceNumber> read_numbers(Device& device);

} // namespace plugbay::core
