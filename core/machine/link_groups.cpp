#include "core/machine/link_groups.hpp"

#include <numeric>

namespace plugbay::core {

LinkGroups::LinkGroups(const MachineConfig& config) {
    std::map<std::string, std::size_t> index;
    for (const DeviceConfig& device : config.devices)
        index.emplace(device.id, index.size());
    // Union-find over the devices: parent[i] leads to the group's representative.
    std::vector<std::size_t> parent(config.devices.size());
    std::iota(parent.begin(), parent.end(), std::size_t{0});
    const auto root = [&](std::size_t i) {
        while (parent[i] != i)
            i = parent[i] = parent[parent[i]];
        return i;
    };
    for (const DeviceConfig& device : config.devices) {
        if (device.link) parent[root(index.at(device.id))] = root(index.at(device.link->frontend_device));
    }
    std::map<std::size_t, std::size_t> number;
    for (const DeviceConfig& device : config.devices) {
        const auto [place, added] = number.emplace(root(index.at(device.id)), locks_.size());
        if (added) locks_.push_back(std::make_shared<CallbackLock>());
        group_.emplace(device.id, place->second);
    }
}

} // namespace plugbay::core
