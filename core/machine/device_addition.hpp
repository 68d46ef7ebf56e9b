// For the parts of the device manager.
#pragma once

#include "core/base/log.hpp"
#include "core/machine/device_hold.hpp"
#include "core/machine/device_manager.hpp"

#include <cstddef>
#include <vector>

namespace plugbay::core {

[[nodiscard]] inline MachineChange change_of(MachineChange::Kind kind, const Link& link) {
    return {kind, port_name(*link.backend().device, link.backend().port),
            port_name(*link.frontend().device, link.frontend().port)};
}

// Devices that are being added: taken away again unless kept.
class DeviceManager::Addition {
  public:
    explicit Addition(DeviceManager& manager) : manager_(manager), first_(manager.devices_.size()) {}
    Addition(const Addition&) = delete;
    Addition& operator=(const Addition&) = delete;
    ~Addition() {
        if (kept_) return;
        {
            DeviceHold hold; // those that were started already
            for (Device* device : manager_.frontends_first(devices())) {
                if (auto held = hold.add(*device); !held)
                    log_for(Subsystem::devices).warn("{}", held.error().text());
            }
            for (Device* device : devices())
                hold.let_go(*device);
        }
        while (manager_.devices_.size() > first_)
            manager_.take_away(*manager_.devices_.back());
    }
    [[nodiscard]] std::vector<Device*> devices() const {
        std::vector<Device*> added;
        for (std::size_t i = first_; i < manager_.devices_.size(); ++i)
            added.push_back(manager_.devices_[i].get());
        return added;
    }
    void keep() { kept_ = true; }

  private:
    DeviceManager& manager_;
    const std::size_t first_;
    bool kept_ = false;
};

} // namespace plugbay::core
