#include "core/device/host_events.hpp"

#include "core/device/device.hpp"
#include "core/device/loop_signal.hpp"

#include <deque>
#include <fmt/format.h>
#include <utility>

namespace plugbay::core {

class HostEvents::Subscription {
  public:
    Subscription(Device& device, std::uint32_t kinds, std::uint64_t token)
        : device_(device), callbacks_(device.callbacks<plugbay_host_event_callbacks>(PLUGBAY_HOST_EVENT)),
          kinds_(kinds), token_(token) {}

    [[nodiscard]] Result<void> begin(std::weak_ptr<Subscription> self) {
        auto signal = LoopSignal::create(device_, false, [self = std::move(self)] {
            if (const auto subscription = self.lock()) subscription->deliver();
        });
        if (!signal) return std::move(signal).error();
        signal_ = std::move(*signal);
        return {};
    }
    void end() { signal_->end(); }
    void move(IoLoop& loop) { signal_->move(loop); }

    bool take(const plugbay_host_event& event) {
        if ((event.kind & kinds_) == 0) return false;
        {
            const std::lock_guard guard(mutex_);
            if (waiting_.size() == most_waiting) {
                waiting_.pop_front();
                ++dropped_;
            }
            waiting_.push_back(event);
        }
        signal_->ring();
        return true;
    }
    [[nodiscard]] std::uint32_t kinds() const { return kinds_; }

  private:
    // On the loop, under the device's lock; the callback may end the subscription.
    void deliver() {
        for (std::size_t left = most_waiting; left != 0 && !signal_->ended(); --left) {
            plugbay_host_event event{};
            {
                const std::lock_guard guard(mutex_);
                if (waiting_.empty()) return;
                event = waiting_.front();
                waiting_.pop_front();
                event.dropped = std::exchange(dropped_, 0);
            }
            device_.deliver("a host event", [&] { callbacks_->event(device_.instance(), token_, &event); });
        }
        signal_->ring(); // more came meanwhile: others on the loop first
    }

    Device& device_;
    const plugbay_host_event_callbacks* callbacks_;
    const std::uint32_t kinds_;
    const std::uint64_t token_;
    std::shared_ptr<LoopSignal> signal_;
    std::mutex mutex_; // for what follows
    std::deque<plugbay_host_event> waiting_;
    std::uint32_t dropped_ = 0; // since the last delivery
};

HostEvents::Resource::Resource(HostEvents& events, std::shared_ptr<Subscription> subscription)
    : events_(events), subscription_(std::move(subscription)) {}

HostEvents::Resource::~Resource() {
    {
        const std::lock_guard guard(events_.mutex_);
        std::erase(events_.subscriptions_, subscription_);
    }
    subscription_->end();
}

void HostEvents::Resource::move(IoLoop& loop) {
    subscription_->move(loop);
}

std::string HostEvents::Resource::describe() const {
    return fmt::format("host events {:#x}", subscription_->kinds());
}

bool HostEvents::valid(const plugbay_host_event& event) {
    return event.kind != 0 && (event.kind & ~PLUGBAY_EVENT_ALL) == 0 && (event.kind & (event.kind - 1)) == 0;
}

bool HostEvents::publish(const plugbay_host_event& event) {
    const std::lock_guard guard(mutex_);
    bool wanted = false;
    for (const auto& subscription : subscriptions_)
        wanted |= subscription->take(event);
    return wanted;
}

Result<std::unique_ptr<HostEvents::Resource>> HostEvents::subscribe(Device& device, std::uint32_t kinds,
                                                                    std::uint64_t token) {
    auto subscription = std::make_shared<Subscription>(device, kinds, token);
    if (auto begun = subscription->begin(subscription); !begun) return std::move(begun).error();
    {
        const std::lock_guard guard(mutex_);
        subscriptions_.push_back(subscription);
    }
    return std::unique_ptr<Resource>(new Resource(*this, std::move(subscription)));
}

} // namespace plugbay::core
