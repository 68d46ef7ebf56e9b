// What happens outside the guest, told to whoever subscribed; see abi/host_event.h.
#pragma once

#include "core/base/result.hpp"
#include "core/device/resource_table.hpp"

#include <plugbay/abi/host_event.h>

#include <cstdint>
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

  private:
    std::mutex mutex_;
    std::vector<std::shared_ptr<Subscription>> subscriptions_; // guarded by mutex_
};

} // namespace plugbay::core
