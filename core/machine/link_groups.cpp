#include "core/machine/link_groups.hpp"

#include <numeric>
#include <vector>

namespace plugbay::core {

LinkGroups::LinkGroups(std::span<const DeviceConfig> devices) {
    std::unordered_map<std::string, std::size_t> index;
    for (const DeviceConfig& device : devices)
        index.emplace(device.id, index.size());
    // Union-find over the devices: parent[i] leads to the group's representative.
    std::vector<std::size_t> parent(devices.size());
    std::iota(parent.begin(), parent.end(), std::size_t{0});
    const auto root = [&](std::size_t i) {
        while (parent[i] != i)
            i = parent[i] = parent[parent[i]];
        return i;
    };
    for (const DeviceConfig& device : devices) {
        if (!device.link) continue;
        const auto frontend = index.find(device.link->frontend_device);
        if (frontend != index.end()) parent[root(index.at(device.id))] = root(frontend->second);
    }
    std::unordered_map<std::size_t, std::size_t> number;
    for (const DeviceConfig& device : devices) {
        const auto [place, added] = number.emplace(root(index.at(device.id)), count_);
        if (added) ++count_;
        group_.emplace(device.id, place->second);
    }
}

} // namespace plugbay::core
