#include "core/bus/presence.hpp"

#include "core/device/slot.hpp"

#include <algorithm>
#include <chrono>
#include <linux/membarrier.h>
#include <stdexcept>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace plugbay::core {

bool Presence::wait_for_another(const Slot& slot) {
    const Binding* const crashed = std::exchange(crashed_, nullptr);
    while (slot.binding.load(std::memory_order_acquire) == crashed) {
        // The control thread, which brings the other build, may be waiting for this one: that it stands still, or that it leaves
        // the slot that this access came through.
        if (hurried_.load(std::memory_order_acquire) || depth_ != 0) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return true;
}

const Slot* Presence::inside() const {
    const Slot* innermost = nullptr;
    for (const auto& each : inside_) {
        if (const Slot* const slot = each.load(std::memory_order_acquire)) innermost = slot;
    }
    return innermost;
}

PresenceList::PresenceList() {
    // Present since Linux 4.14, older than any kernel whose KVM we accept.
    membarrier_ = ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void PresenceList::make_stores_visible() const {
    if (membarrier_) {
        ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
        return;
    }
    // A sandbox may refuse membarrier. x86 drains a store buffer within microseconds of any interrupt; a
    // millisecond is the slow, safe substitute.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void PresenceList::add(Presence& presence) {
    const std::unique_lock guard(presences_mutex_);
    const auto taken = [&](std::size_t number) {
        return std::ranges::find(presences_, number, &Presence::number) != presences_.end();
    };
    presence.number_ = 0;
    while (taken(presence.number_))
        ++presence.number_;
    presence.tick_scale_.store(tick_scale_, std::memory_order_relaxed);
    presences_.push_back(&presence);
}

void PresenceList::remove(Presence& presence) {
    const std::unique_lock guard(presences_mutex_);
    std::erase(presences_, &presence);
}

void PresenceList::measure(TickScale scale) {
    const std::unique_lock guard(presences_mutex_);
    tick_scale_ = scale;
    for (Presence* presence : presences_)
        presence->tick_scale_.store(scale, std::memory_order_relaxed);
}

std::optional<std::size_t>
PresenceList::wait_until_left(const Slot& slot,
                              std::optional<std::chrono::steady_clock::time_point> deadline) {
    constexpr int short_rounds = 1000; // an access takes no longer, unless it blocks
    make_stores_visible();
    const std::shared_lock guard(presences_mutex_);
    for (const Presence* presence : presences_) {
        for (const auto& inside : presence->inside_) {
            for (int round = 0; inside.load(std::memory_order_acquire) == &slot; ++round) {
                if (round < short_rounds) {
                    std::this_thread::yield();
                    continue;
                }
                if (deadline && std::chrono::steady_clock::now() >= *deadline) return presence->number_;
                std::this_thread::sleep_for(std::chrono::microseconds(50));
            }
        }
    }
    return std::nullopt;
}

void PresenceList::retire(std::shared_ptr<const void> garbage) {
    std::vector<Retired> free; // destroyed after the locks are dropped
    const std::shared_lock presences_guard(presences_mutex_);
    const std::lock_guard retired_guard(retired_mutex_);
    retired_.push_back({epoch_.fetch_add(1, std::memory_order_seq_cst), std::move(garbage)});
    make_stores_visible();
    std::uint64_t oldest = ~std::uint64_t{0};
    for (const Presence* presence : presences_) {
        const std::uint64_t epoch = presence->epoch_.load(std::memory_order_acquire);
        if (epoch != 0) oldest = std::min(oldest, epoch);
    }
    const auto still_used = std::stable_partition(retired_.begin(), retired_.end(),
                                                  [&](const Retired& each) { return each.epoch >= oldest; });
    std::move(still_used, retired_.end(), std::back_inserter(free));
    retired_.erase(still_used, retired_.end());
}

} // namespace plugbay::core
