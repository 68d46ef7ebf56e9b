// Which devices of a machine are joined by links, directly or through others: they share a callback lock and
// an I/O loop.
#pragma once

#include "core/config/machine_config.hpp"
#include "core/device/callback_lock.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace plugbay::core {

class LinkGroups {
  public:
    explicit LinkGroups(const MachineConfig& config);

    // The device's group, 0 to count() - 1. `id` is one of the configuration's.
    [[nodiscard]] std::size_t of(const std::string& id) const { return group_.at(id); }
    [[nodiscard]] std::size_t count() const { return locks_.size(); }
    [[nodiscard]] const std::shared_ptr<CallbackLock>& lock(std::size_t group) const { return locks_[group]; }

  private:
    std::map<std::string, std::size_t> group_;
    std::vector<std::shared_ptr<CallbackLock>> locks_;
};

} // namespace plugbay::core
