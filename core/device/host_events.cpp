#include "core/device/host_events.hpp"

#include "core/device/device.hpp"
#include "core/device/loop_signal.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace plugbay::core {

class HostEvents::Subscription {
  public:
    Subscription(Device& device, std::uint32_t kinds, std::uint64_t token)
        : device_(device), callbacks_(device.callbacks<plugbay_host_event_callbacks>(PLUGBAY_HOST_EVENT)),
          kinds_(kinds), token_(token), listens_(!device.detached()) {}

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

    // --- under HostEvents::mutex_
    bool take(const Waiting& waiting) {
        if ((waiting.event.kind & kinds_) == 0 || !listens_) return false;
        {
            const std::lock_guard guard(mutex_);
            add(waiting);
        }
        signal_->ring();
        return true;
    }
    [[nodiscard]] bool is_of(const Device& device) const { return &device_ == &device; }
    // Another build goes on.
    void give_to(Left& left) {
        listens_ = false;
        const std::lock_guard guard(mutex_);
        left.events.insert(left.events.end(), waiting_.begin(), waiting_.end());
        left.dropped = std::max(left.dropped, std::exchange(dropped_, 0));
        waiting_.clear();
    }
    void take_from(const Left& left) {
        listens_ = true;
        {
            const std::lock_guard guard(mutex_);
            const auto newer = std::exchange(waiting_, {});
            dropped_ += left.dropped;
            for (const Waiting& each : left.events) {
                if ((each.event.kind & kinds_) != 0) add(each);
            }
            for (const Waiting& each : newer) {
                // It may have subscribed before the other build's subscriptions ended.
                if (waiting_.empty() || waiting_.back().number < each.number) add(each);
            }
        }
        signal_->ring();
    }
    // ---
    [[nodiscard]] std::uint32_t kinds() const { return kinds_; }

  private:
    // Caller holds mutex_.
    void add(const Waiting& waiting) {
        if (waiting_.size() == most_waiting) {
            waiting_.pop_front();
            ++dropped_;
        }
        waiting_.push_back(waiting);
    }

    // On the loop, under the device's lock; the callback may end the subscription.
    void deliver() {
        for (std::size_t left = most_waiting; left != 0 && !signal_->ended(); --left) {
            Waiting next{};
            {
                const std::lock_guard guard(mutex_);
                if (waiting_.empty()) return;
                next = waiting_.front();
                waiting_.pop_front();
                next.event.dropped = std::exchange(dropped_, 0);
            }
            if (device_.deliver("a host event",
                                [&] { callbacks_->event(device_.instance(), token_, &next.event); }))
                continue;
            // It crashed: the build that comes back hears of it.
            const std::lock_guard guard(mutex_);
            dropped_ += std::exchange(next.event.dropped, 0);
            if (waiting_.size() == most_waiting)
                ++dropped_;
            else
                waiting_.push_front(next);
            return;
        }
        signal_->ring(); // more came meanwhile: others on the loop first
    }

    Device& device_;
    const plugbay_host_event_callbacks* callbacks_;
    const std::uint32_t kinds_;
    const std::uint64_t token_;
    bool listens_; // of two builds one does; guarded by HostEvents::mutex_
    std::shared_ptr<LoopSignal> signal_;
    std::mutex mutex_; // for what follows
    std::deque<Waiting> waiting_;
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
    const Waiting waiting{.number = ++published_, .event = event};
    bool wanted = false;
    for (const auto& subscription : subscriptions_)
        wanted |= subscription->take(waiting);
    return wanted;
}

void HostEvents::hand_over(const Device& before, const Device& successor) {
    const std::lock_guard guard(mutex_);
    Succession succession{.before = &before};
    // It may be replaced before it ran.
    if (auto own = successions_.extract(&before); !own.empty()) {
        collect(own.mapped());
        succession.left = std::move(own.mapped().left);
    }
    successions_.insert_or_assign(&successor, std::move(succession));
}

// Caller holds mutex_.
void HostEvents::collect(Succession& succession) {
    if (succession.before == nullptr) return;
    Left& left = succession.left;
    for (const auto& subscription : subscriptions_) {
        if (subscription->is_of(*succession.before)) subscription->give_to(left);
    }
    succession.before = nullptr;
    std::ranges::sort(left.events, {}, &Waiting::number);
    const auto same = [](const Waiting& one, const Waiting& other) { return one.number == other.number; };
    left.events.erase(std::unique(left.events.begin(), left.events.end(), same), left.events.end());
}

void HostEvents::settle(const Device& device) {
    const std::lock_guard guard(mutex_);
    auto found = successions_.extract(&device);
    if (found.empty()) return;
    collect(found.mapped());
    for (const auto& subscription : subscriptions_) {
        if (subscription->is_of(device)) subscription->take_from(found.mapped().left);
    }
}

void HostEvents::forget(const Device& device) {
    const std::lock_guard guard(mutex_);
    successions_.erase(&device);
    for (auto& [successor, succession] : successions_) {
        if (succession.before == &device) collect(succession);
    }
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
