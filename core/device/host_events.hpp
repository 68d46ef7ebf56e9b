// What happens outside the guest, told to whoever subscribed; see abi/host_event.h. Of two builds of a device, while one
// replaces the other, it is told to the one that serves, and what that one has not heard to the one that takes over.
#pragma once

#include "core/base/result.hpp"
#include "core/device/resource_table.hpp"

#include <plugbay/abi/host_event.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace plugbay::core {

class Device;

class HostEvents {
  public:
    HostEvents() = default;
    HostEvents(const HostEvents&) = delete;
    HostEvents& operator=(const HostEvents&) = delete;

    static constexpr std::size_t most_waiting = 256; // for each subscription; more push out the oldest

    // Whether `event` is one that subscribers can make sense of: one known kind.
    [[nodiscard]] static bool valid(const plugbay_host_event& event);
    // Thread: any. `event` is valid. False: nobody wants it.
    bool publish(const plugbay_host_event& event);

    class Subscription;
    // A subscription ends with its resource, which the HostEvents outlives.
    class Resource : public core::Resource {
      public:
        static constexpr ResourceKind resource_kind = ResourceKind::host_events;
        Resource(HostEvents& events, std::shared_ptr<Subscription> subscription);
        ~Resource() override;
        [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
        [[nodiscard]] std::string describe() const override;
        void move(IoLoop& loop) override;

      private:
        HostEvents& events_;
        std::shared_ptr<Subscription> subscription_;
    };
    [[nodiscard]] Result<std::unique_ptr<Resource>> subscribe(Device& device, std::uint32_t kinds,
                                                              std::uint64_t token);

    // --- [control], while both builds hold still
    // `successor` has taken over. Events wait for `before` until it is settled.
    void hand_over(const Device& before, const Device& successor);
    // The device has subscribed to all that it wants, and is going to run: what waits for the build before is shared out, in
    // the order in which it happened and before anything newer, and comes to each subscription that wants it, once. What it
    // has not subscribed to is dropped.
    void settle(const Device& device);
    // The device goes. Its resources are still there.
    void forget(const Device& device);

  private:
    struct Waiting {
        std::uint64_t number; // counts all events up
        plugbay_host_event event;
    };
    struct Left {
        std::deque<Waiting> events = {};
        std::uint32_t dropped = 0; // before the first of them
    };
    struct Succession {
        const Device* before; // null: it is gone
        Left left = {};       // of those that are gone
    };
    void collect(Succession& succession);
    std::mutex mutex_; // for what follows
    std::vector<std::shared_ptr<Subscription>> subscriptions_;
    std::map<const Device*, Succession> successions_; // by the successor; those that are not settled
    std::uint64_t published_ = 0;
};

} // namespace plugbay::core
