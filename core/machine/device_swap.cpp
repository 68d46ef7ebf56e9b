// Other builds of devices that run. The order of events and its reasons: docs/hot-swap.md.
#include "core/device/handover_store.hpp"
#include "core/machine/device_hold.hpp"
#include "core/machine/device_manager.hpp"
#include "core/pci/pci_bus.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

namespace plugbay::core {

// The devices of one swap. Until exchange() its destruction leaves everything as it was.
class DeviceManager::Swap {
  public:
    // What lasts while the devices hold still: the builds that go hear that others are expected, and the links' ends'
    // successors know of them. Ends before the devices are let go; unless they were exchanged, each link is as it was.
    class Introductions {
      public:
        explicit Introductions(std::span<Device* const> going) {
            for (Device* device : going)
                expected.push_back(std::make_unique<SuccessorExpected>(device->handover()));
        }
        Introductions(const Introductions&) = delete;
        Introductions& operator=(const Introductions&) = delete;
        ~Introductions() {
            for (auto link = links.rbegin(); link != links.rend(); ++link)
                (*link)->abandon();
        }
        std::vector<std::unique_ptr<SuccessorExpected>> expected = {};
        std::vector<Link*> links = {};
    };

    explicit Swap(DeviceManager& manager) : manager_(manager) {}
    Swap(const Swap&) = delete;
    Swap& operator=(const Swap&) = delete;
    ~Swap() {
        for (Member& member : members_)
            Device::retire(std::move(member.other));
    }

    // While the builds before go on.
    [[nodiscard]] Result<void> create(const Replacement& replacement) {
        const auto device = manager_.find_named(replacement.id);
        if (!device) return device.error();
        if (successors_.contains(*device))
            return Error{fmt::format("device \"{}\" is to be replaced twice", replacement.id)};
        Member member{.device = *device,
                      .other = std::make_unique<Device>(**device, replacement.type),
                      .replacement = &replacement};
        if (replacement.crashed) member.other->begin_probation(replacement.crashed);
        const auto values = abi_values(replacement.properties);
        const SuccessorExpected expected((*device)->handover());
        auto created = member.other->create(values);
        if (created) successors_.emplace(*device, member.other.get());
        members_.push_back(std::move(member));
        return created;
    }

    // From here on the devices and their peers hold still.
    [[nodiscard]] Result<void> introduce(Introductions& introduced) {
        for (const auto& link : manager_.registry_.links()) {
            if (!successors_.contains(link->frontend().device) &&
                !successors_.contains(link->backend().device))
                continue;
            introduced.links.push_back(link.get());
            if (auto told = link->introduce(successors_, abi_values(options_of(*link))); !told) return told;
        }
        return {};
    }
    [[nodiscard]] Result<void> save(const Introductions& introduced) {
        for (Member& member : members_) {
            if (member.replacement->state) {
                member.state = *member.replacement->state;
                continue;
            }
            auto state = member.device->save();
            if (!state) return std::move(state).error();
            member.state = *std::move(state);
        }
        for (Link* link : introduced.links)
            link->seal();
        return {};
    }
    [[nodiscard]] Result<void> load() {
        for (const Member& member : members_) {
            if (auto loaded = member.other->load(member.state); !loaded) return loaded;
        }
        return {};
    }
    [[nodiscard]] Result<void> validate() const {
        for (const Member& member : members_) {
            const auto missing = member.other->left_out();
            if (missing.empty()) continue;
            return Error{
                fmt::format("the new build of device \"{}\" does not ask for {}, which the guest knows",
                            member.device->id(), fmt::join(missing, ", ")),
                "remove the device and add it again, or restart the machine"};
        }
        return {};
    }
    // Cannot fail.
    void exchange(DeviceHold& hold, Introductions& introduced) {
        for (Member& member : members_) {
            Device& before = *member.device;
            Device& successor = *member.other;
            successor.take_over();
            manager_.registry_.hand_over(before, successor);
            hold.replace(before, successor);
            manager_.device_by_id_.at(before.id()) = &successor;
            auto config = manager_.configs_.extract(&before);
            config.key() = &successor;
            config.mapped().properties = member.replacement->properties;
            manager_.configs_.insert(std::move(config));
            const auto place = std::ranges::find(manager_.devices_, &before, &std::unique_ptr<Device>::get);
            place->swap(member.other);
        }
        for (Link* link : std::exchange(introduced.links, {})) {
            if (const Replacement* frontend = replacement_of(*link->frontend().device))
                keep_options(*link, *frontend);
            link->hand_over();
        }
        for (const Member& member : members_)
            manager_.services_.pci.wait_for_users(*successors_.at(member.device));
        introduced.expected.clear();
    }

    [[nodiscard]] std::vector<std::vector<std::byte>> take_states() {
        std::vector<std::vector<std::byte>> states;
        for (Member& member : members_)
            states.push_back(std::move(member.state));
        return states;
    }

  private:
    struct Member {
        Device* device;                // the one that ran
        std::unique_ptr<Device> other; // its successor; after the exchange the build before
        const Replacement* replacement;
        std::vector<std::byte> state = {};
    };
    [[nodiscard]] const Replacement* replacement_of(const Device& device) const {
        for (const Member& member : members_) {
            if (member.device == &device) return member.replacement;
        }
        return nullptr;
    }
    // Those of the frontend's port: the new build's, if it is one.
    [[nodiscard]] const std::vector<PropertyValue>& options_of(const Link& link) const {
        if (const Replacement* frontend = replacement_of(*link.frontend().device)) {
            const auto found = frontend->options.find(link.frontend().port);
            if (found != frontend->options.end()) return found->second;
        }
        return manager_.configs_.at(link.backend().device).link->options;
    }
    // Configurations keep the options with the backend, which may have been exchanged already.
    void keep_options(const Link& link, const Replacement& frontend) {
        const auto found = frontend.options.find(link.frontend().port);
        if (found == frontend.options.end()) return;
        const auto successor = successors_.find(link.backend().device);
        const Device* const backend =
            successor == successors_.end() ? link.backend().device : successor->second;
        manager_.configs_.at(backend).link->options = found->second;
    }

    DeviceManager& manager_;
    std::vector<Member> members_;
    Successors successors_;
};

Result<std::vector<std::vector<std::byte>>> DeviceManager::replace(std::span<const Replacement> replacements,
                                                                   SwapJournal& journal,
                                                                   std::chrono::milliseconds limit) {
    if (auto allowed = refuse_inside_callback(); !allowed) return std::move(allowed).error();
    journal.begin(SwapStep::prepare);
    Swap swap(*this);
    std::vector<Device*> going;
    for (const Replacement& each : replacements) {
        if (auto created = swap.create(each); !created) return std::move(created).error();
        going.push_back(find(each.id));
    }
    {
        journal.begin(SwapStep::quiesce);
        DeviceHold hold;
        Swap::Introductions introduced(going);
        for (Device* device : with_peers(going)) {
            if (auto held = hold.add(*device, limit); !held) return std::move(held).error();
        }
        journal.begin(SwapStep::connect);
        if (auto done = swap.introduce(introduced); !done) return std::move(done).error();
        journal.begin(SwapStep::save);
        if (auto done = swap.save(introduced); !done) return std::move(done).error();
        journal.begin(SwapStep::load);
        if (auto done = swap.load(); !done) return std::move(done).error();
        journal.begin(SwapStep::validate);
        if (auto done = swap.validate(); !done) return std::move(done).error();
        journal.begin(SwapStep::exchange);
        swap.exchange(hold, introduced);
        journal.begin(SwapStep::resume);
    }
    journal.begin(SwapStep::reclaim);
    for (const Replacement& each : replacements)
        change_({MachineChange::Kind::device_swapped, each.id, {}});
    return swap.take_states();
}

void DeviceManager::end_probation(Device& device) {
    registry_.end_probation(device);
    device.end_probation();
}

Result<std::vector<std::byte>> DeviceManager::snapshot(std::string_view id, std::chrono::milliseconds limit,
                                                       const std::function<void()>& around) {
    if (auto allowed = refuse_inside_callback(); !allowed) return std::move(allowed).error();
    const auto device = find_named(id);
    if (!device) return device.error();
    const SuccessorExpected expected((*device)->handover());
    DeviceHold hold;
    for (Device* each : with_peers(std::span(&*device, 1))) {
        if (auto held = hold.add(*each, limit); !held) return std::move(held).error();
    }
    around();
    auto state = (*device)->save();
    around();
    return state;
}

std::vector<Device*> DeviceManager::with_peers(std::span<Device* const> devices) const {
    std::vector<Device*> all(devices.begin(), devices.end());
    const auto add = [&](Device* one, Device* other) {
        if (std::ranges::find(devices, one) != devices.end() && std::ranges::find(all, other) == all.end())
            all.push_back(other);
    };
    for (const auto& link : registry_.links()) {
        add(link->frontend().device, link->backend().device);
        add(link->backend().device, link->frontend().device);
    }
    return frontends_first(std::move(all));
}

} // namespace plugbay::core
