// The gate of a slot: how guest accesses pass it, and how the control side holds them outside while it resets
// or replaces the device behind it. Passing costs a store, a compare and, for a serialised device, its own
// lock; counting, an addition to memory that no other thread writes. Only accesses to the closed slot wait.
#pragma once

#include "core/base/tick_clock.hpp"
#include "core/bus/access_counts.hpp"
#include "core/bus/presence.hpp"
#include "core/device/slot.hpp"

#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>

namespace plugbay::core {

// Runs `call` as an access that is counted and, while measuring is on, timed.
template <typename Call>
void counted(const Presence& presence, AccessCounts& counts, AccessKind kind, Call&& call) {
    counts.count(kind);
    const Stopwatch watch(presence.tick_scale(), counts.latency);
    call();
}

// Runs `call(binding)` inside the slot's gate and callback lock, and counts it. Nesting deeper than Presence::max_depth, or
// a slot that has no device behind it any more, runs nothing.
template <typename Call>
void inside_slot(Presence& presence, Slot& slot, AccessKind kind, Call&& call) {
    do {
        for (;;) {
            if (!presence.enter(slot)) return;
            const std::uint32_t closed = slot.closed.load(std::memory_order_acquire);
            if (closed == 0) [[likely]]
                break;
            presence.leave();
            slot.closed.wait(closed, std::memory_order_acquire);
        }
        if (const Binding* binding = slot.binding.load(std::memory_order_acquire)) {
            if (CallbackLock* lock = slot.lock.load(std::memory_order_acquire)) {
                const std::lock_guard guard(*lock);
                counted(presence, slot.counts.front(), kind, [&] { call(*binding); });
            } else {
                counted(presence, slot.counts_of(presence.number()), kind, [&] { call(*binding); });
            }
        }
        presence.leave();
    } while (presence.again(slot));
}

// Holds the gate closed for its life; it opens when nobody does any more. Thread: [control]; not while holding the slot's
// callback lock, which an access on its way out may need.
class GateClosed {
  public:
    // With a deadline see inside(); without one it waits for as long as it takes.
    GateClosed(Slot& slot, PresenceList& presences,
               std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt)
        : slot_(slot) {
        slot_.closed.fetch_add(1, std::memory_order_seq_cst);
        inside_ = presences.wait_until_left(slot_, deadline);
    }
    GateClosed(const GateClosed&) = delete;
    GateClosed& operator=(const GateClosed&) = delete;
    ~GateClosed() {
        slot_.closed.fetch_sub(1, std::memory_order_release);
        slot_.closed.notify_all();
    }

    // The number of a presence that was still inside at the deadline: the device must be left alone then, though no
    // further access comes to it while the gate is closed.
    [[nodiscard]] std::optional<std::size_t> inside() const { return inside_; }

  private:
    Slot& slot_;
    std::optional<std::size_t> inside_;
};

} // namespace plugbay::core
