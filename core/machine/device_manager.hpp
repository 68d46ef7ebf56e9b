// All devices of a machine: made, joined, started, taken away and listed, before the guest runs and while it does.
#pragma once

#include "core/base/result.hpp"
#include "core/config/machine_config.hpp"
#include "core/device/device.hpp"
#include "core/device/machine_services.hpp"
#include "core/io/io_loop.hpp"
#include "core/machine/machine_change.hpp"
#include "core/machine/machine_state.hpp"
#include "core/machine/swap_journal.hpp"
#include "core/plugin/master_device_table.hpp"
#include "core/registry/registry.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace plugbay::core {

class DeviceHold;
class SuccessorExpected;

// Thread: [control], never inside a callback of a device (refused). Every change is a transaction: when it fails, the
// devices and links are what they were before. Only accesses to the devices that a change touches wait for it.
class DeviceManager {
  public:
    // Where device types come from: the master device table of a real machine.
    using LoadType = std::function<Result<LoadedType>(std::string_view type)>;
    // Begins an error about something in a machine file: "linux.json:12:3".
    using Place = std::function<std::string(const SourcePosition&)>;

    // `services` outlives the manager; `loops` holds at least one.
    DeviceManager(MachineServices& services, LoadType load_type, std::vector<std::unique_ptr<IoLoop>> loops);
    DeviceManager(const DeviceManager&) = delete;
    DeviceManager& operator=(const DeviceManager&) = delete;
    // Quiesces and takes away all, newest first.
    ~DeviceManager();

    // Creates all of `devices`, connects all and starts all; a link may lead to a device that is there already.
    // `place` may be empty.
    [[nodiscard]] Result<void> add(std::span<const DeviceConfig> devices, const Place& place);

    // The devices that could not work without `id`: those at the other end of a link whose port is not optional, and
    // those on its PCI bus; and so on. Without `id` itself.
    [[nodiscard]] Result<std::vector<std::string>> dependents(std::string_view id) const;
    // The device and, with them, its dependents; or why remove() would refuse: there are dependents and they are not to
    // go, or the guest runs and one that goes watches its RAM.
    [[nodiscard]] Result<std::vector<Device*>> removable(std::string_view id, bool with_dependents) const;
    // What becomes of a device that is to be removed and has something in flight that does not end.
    enum class IfHanging : std::uint8_t {
        refuse,   // it stays, and the removal fails
        tear_out, // it goes, as far as anybody can see; see Device::retire
    };
    // Takes the device away, with or without its dependents. The guest is not asked: for what the guest drives, see
    // HotPlug.
    [[nodiscard]] Result<void> remove(std::string_view id, bool with_dependents,
                                      IfHanging if_hanging = IfHanging::refuse);

    // Joins a backend's port with the frontend `frontend` (a device's id or "<id>.<port>"), giving it `options`.
    [[nodiscard]] Result<void> connect(std::string_view backend, std::uint32_t port,
                                       std::string_view frontend, std::span<const PropertyValue> options);
    // Ends the link at a port of either end.
    [[nodiscard]] Result<void> disconnect(std::string_view id, std::uint32_t port);

    // Gives a live property a new value; `property` is its number in declared order.
    [[nodiscard]] Result<void> set_property(std::string_view id, std::size_t property,
                                            const PropertyValue& value);

    // --- other builds of devices that run; see docs/hot-swap.md.
    // One device's new build. `properties` are its type's, in declared order; `options` those of its frontend ports that
    // are connected, by port. It declares the same ports as the build before.
    struct Replacement {
        std::string id;
        LoadedType type;
        std::vector<PropertyValue> properties;
        std::map<std::uint32_t, std::vector<PropertyValue>> options = {};
        // Not empty: the new build is on probation, and this hears of it when it crashes, from any thread.
        std::function<void()> crashed = {};
        // In place of what the build that runs would save, if it cannot be trusted with that.
        std::optional<std::vector<std::byte>> state = {};
    };
    // Puts all of them in place of the builds that run, carrying their state over, and says in `journal` when it came to
    // what. What has to be held still has `limit` for it. Gives the states that were carried over, in the same order.
    [[nodiscard]] Result<std::vector<std::vector<std::byte>>>
    replace(std::span<const Replacement> replacements, SwapJournal& journal, std::chrono::milliseconds limit);
    // A device's state while it runs, for a rehearsal of another build: it is held for a moment. `around` is called while it
    // holds still, before it saves and after.
    [[nodiscard]] Result<std::vector<std::byte>> snapshot(
        std::string_view id, std::chrono::milliseconds limit, const std::function<void()>& around = [] {});
    // A build that was put in place with `crashed` is like any other from now on.
    void end_probation(Device& device);
    // What the device was made from, with its link, of which the options are as given.
    [[nodiscard]] const DeviceConfig& config(const Device& device) const { return configs_.at(&device); }

    // Back to power-on, for one device.
    [[nodiscard]] Result<void> reset(std::string_view id);

    // --- the whole machine, while no vCPU runs.
    // Back to power-on. `between` runs while every device holds still.
    [[nodiscard]] Result<void> reset_all(const std::function<Result<void>()>& between);

    // --- checkpoints; the order of events: docs/checkpoint.md.
    // Saves all, oldest first, and gives the states to `between` while every device holds still. A device that has no
    // state, or cannot save it, fails the whole.
    using UseStates = std::function<Result<void>(std::vector<DeviceState> states)>;
    [[nodiscard]] Result<void> save_all(const UseStates& between);
    // The same for devices that go on in another process: when `between` has succeeded, they hold still until they are
    // destroyed, and leave what is outside of the machine as it is.
    [[nodiscard]] Result<void> give_away(const UseStates& between);
    // What devices left in the process that they come from, by their ids.
    using Arriving = std::map<std::string, std::vector<LeftDescriptor>, std::less<>>;
    // add() for devices that go on from saved states instead of starting; each has exactly one of `states`. They hold
    // still while `between` runs, when all are loaded. No vCPU runs meanwhile. `arriving`: they come from another process
    // by give_away(); null: they do not.
    [[nodiscard]] Result<void> restore(std::span<const DeviceConfig> devices,
                                       std::span<const DeviceState> states, const Place& place,
                                       const std::function<Result<void>()>& between,
                                       Arriving* arriving = nullptr);

    // The same for devices that are there and go on from `states` in place of what they are at: each has exactly one. When
    // one refuses its state, all are put back and `between` is not called.
    [[nodiscard]] Result<void> load_all(std::span<const DeviceState> states,
                                        const std::function<Result<void>()>& between);

    // --- looking
    // What all devices were made from, oldest first, with the links that are there now.
    [[nodiscard]] std::vector<DeviceConfig> configs() const;
    // Has `change` called for every device and link that came or went, when all of a change is done.
    void observe(std::function<void(const MachineChange&)> change) { change_ = std::move(change); }
    // The error names the nearest id.
    [[nodiscard]] Result<Device*> find_named(std::string_view id) const;
    [[nodiscard]] Device* find(std::string_view id) const; // null: no such device
    // A device that a callback of its group has kept from everybody else for as long as `limit`; null: none.
    [[nodiscard]] Device* find_stuck(std::chrono::milliseconds limit) const;
    [[nodiscard]] const std::vector<std::unique_ptr<Device>>& devices() const {
        return devices_;
    } // oldest first
    [[nodiscard]] const Registry& registry() const { return registry_; }

  private:
    class Addition;
    class Swap;

    [[nodiscard]] Result<void> refuse_inside_callback() const;
    // Creates and connects them. What is held for it goes into `hold`.
    [[nodiscard]] Result<void> bring_in(std::span<const DeviceConfig> devices, const Place& place,
                                        DeviceHold& hold, Arriving* arriving = nullptr);
    void announce(std::span<const DeviceConfig> devices) const;
    [[nodiscard]] Result<void> create(const DeviceConfig& config, IoLoop& loop, Arriving* arriving);
    [[nodiscard]] Result<void> hold_all(DeviceHold& hold) const;
    [[nodiscard]] Result<std::vector<DeviceState>> hold_and_save(DeviceHold& hold) const;
    [[nodiscard]] Result<void> connect_new(const DeviceConfig& config);
    [[nodiscard]] Result<void> join(Device& backend, std::uint32_t port, std::string_view frontend,
                                    std::span<const plugbay_value> options);
    void join_groups(Device& one, Device& other);
    void split_group(Device& member);
    [[nodiscard]] std::vector<Device*> group_of(Device& member) const;
    [[nodiscard]] std::vector<Device*> dependents_of(Device& device) const;
    // Each frontend before the backends that serve it. In this order a frontend can finish what it has in flight while
    // its backend still works; the other way round both are ready again.
    [[nodiscard]] std::vector<Device*> frontends_first(std::vector<Device*> devices) const;
    // The devices and the other ends of their links, frontends first: what has to be held for a change of these.
    [[nodiscard]] std::vector<Device*> with_peers(std::span<Device* const> devices) const;
    void take_away(Device& device);

    MachineServices& services_;
    const LoadType load_type_;
    std::function<void(const MachineChange&)> change_ = [](const MachineChange&) {};
    std::vector<std::unique_ptr<IoLoop>> loops_;
    std::size_t next_loop_ = 0;
    std::vector<std::unique_ptr<Device>> devices_;               // in creation order
    std::unordered_map<std::string_view, Device*> device_by_id_; // keys are the devices' own ids
    std::unordered_map<const Device*, DeviceConfig> configs_;    // links may be over
    Registry registry_;                      // before the devices in destruction: links name them
    std::unique_ptr<DeviceHold> given_away_; // null: they are this process's
};

} // namespace plugbay::core
