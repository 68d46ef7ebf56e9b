// Which devices are going to be joined by links, directly or through others: they had better share an I/O loop.
#pragma once

#include "core/config/machine_config.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <unordered_map>

namespace plugbay::core {

class LinkGroups {
  public:
    // Links to devices that are not among these are left out.
    explicit LinkGroups(std::span<const DeviceConfig> devices);

    // The device's group, 0 to count() - 1. `id` is one of the devices'.
    [[nodiscard]] std::size_t of(const std::string& id) const { return group_.at(id); }
    [[nodiscard]] std::size_t count() const { return count_; }

  private:
    std::unordered_map<std::string, std::size_t> group_;
    std::size_t count_ = 0;
};

} // namespace plugbay::core
