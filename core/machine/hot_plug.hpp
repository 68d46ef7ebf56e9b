// Devices that the guest drives: it is told of new ones and asked to let go of old ones, through their PCI bus.
#pragma once

#include "core/base/result.hpp"
#include "core/device/machine_services.hpp"
#include "core/machine/device_manager.hpp"

#include <compare>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace plugbay::core {

// Thread: [control].
class HotPlug {
  public:
    HotPlug(DeviceManager& devices, MachineServices& services) : devices_(devices), services_(services) {}

    struct Place {
        std::string bus; // id of the bridge
        std::uint32_t slot;
        auto operator<=>(const Place&) const = default;
    };
    using Places = std::set<Place>;
    // Every place where there is a function now.
    [[nodiscard]] Places occupied() const;
    // Tells the guest about the places that got or lost their function since. Call after every change: requests about
    // devices that are gone end with it.
    void announce_changes(const Places& before);

    // Asks the guest to let go of the device; process() removes it, and its dependents, when the guest has. An error
    // when it has dependents and they are not to go, or is nothing that the guest can be asked about.
    [[nodiscard]] Result<void> request(std::string_view id, bool with_dependents);
    // Removes what the guest has let go of; call when MachineServices::attention() was. An error tells of a device
    // that could not be removed; the others are.
    [[nodiscard]] Result<void> process();
    // The guest is being reset: it has let go of everything.
    [[nodiscard]] Result<void> finish_requests();

    // The devices that the guest has been asked about and still holds.
    [[nodiscard]] const std::set<std::string>& requested() const { return requested_; }

  private:
    [[nodiscard]] bool can_raise() const;
    void raise(std::uint32_t event);
    [[nodiscard]] Result<void> remove(const std::string& id);
    void forget_gone();

    DeviceManager& devices_;
    MachineServices& services_;
    std::set<std::string> requested_;
};

} // namespace plugbay::core
