// Who is inside what: each thread that dispatches guest accesses publishes the slots it is inside and whether
// it is using the address maps. Publishing is a plain store; whoever needs to know issues membarrier(2)
// first, which makes those stores visible. So the access path pays no fence.
#pragma once

#include "core/base/tick_clock.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <vector>

namespace plugbay::core {

struct Binding;
struct Region;
struct Slot;

// One a dispatching thread; written by that thread only.
class Presence {
  public:
    // Accesses nest when a bus device forwards to a function on it, and no deeper.
    static constexpr std::size_t max_depth = 4;

    void begin_lookup(const std::atomic<std::uint64_t>& epoch) {
        if (depth_ == 0 && lookups_ == 0)
            epoch_.store(epoch.load(std::memory_order_relaxed), std::memory_order_relaxed);
        ++lookups_;
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    void end_lookup() {
        if (--lookups_ == 0) epoch_.store(0, std::memory_order_release);
    }
    // False when accesses nest too deeply; nothing was entered then.
    [[nodiscard]] bool enter(const Slot& slot) {
        if (depth_ == max_depth) return false;
        inside_[depth_++].store(&slot, std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        return true;
    }
    void leave() { inside_[--depth_].store(nullptr, std::memory_order_release); }

    // The presence by which the calling thread dispatches; null: by none.
    [[nodiscard]] static Presence* of_this_thread() { return own; }
    void belongs_to_this_thread() { own = this; }

    // The build behind `binding` crashed in the access that is on its way: it is to be made again, on the next build.
    void crashed_in(const Binding& binding) { crashed_ = &binding; }
    // Whether the access that is on its way is going to be.
    [[nodiscard]] bool repeats() const { return crashed_ != nullptr; }
    // Whether the access that has just left `slot` is to be made again; returns when there is another build to make it on, or
    // when the thread is to stand still.
    [[nodiscard]] bool again(const Slot& slot) { return crashed_ != nullptr && wait_for_another(slot); }

    // Any thread. Whether the thread is to stand still: who asks for that may be the one who brings the other build.
    void hurry(bool on) { hurried_.store(on, std::memory_order_release); }

    // The region that answered an access of this thread's to the page of `address`: a hint, checked against the map's
    // version. The multiplication spreads pages at even distances, as devices lie, over all places.
    struct Hint {
        const Region* region = nullptr;
        std::uint64_t version = 0;
    };
    [[nodiscard]] Hint& hint(std::uint64_t address) {
        return hints_[(address >> 12) * 0x9e37'79b9'7f4a'7c15 >> (64 - hint_bits)];
    }

    // The slot that the thread is inside, the innermost if they nest; null: none. [control], as nobody else has devices go.
    [[nodiscard]] const Slot* inside() const;

    // Among those of its list at once, from 0.
    [[nodiscard]] std::size_t number() const { return number_; }
    // By which the thread's accesses are timed; 0: they are not.
    [[nodiscard]] TickScale tick_scale() const { return tick_scale_.load(std::memory_order_relaxed); }

  private:
    friend class PresenceList;
    [[nodiscard]] bool wait_for_another(const Slot& slot);
    static inline thread_local Presence* own = nullptr;
    static constexpr unsigned hint_bits = 10;

    std::array<std::atomic<const Slot*>, max_depth> inside_{};
    std::atomic<std::uint64_t> epoch_{0}; // 0: holds no pointer from a map
    std::size_t depth_ = 0;
    std::size_t lookups_ = 0;
    const Binding* crashed_ = nullptr;
    std::size_t number_ = 0;               // set by add(), before the thread's first access
    std::atomic<TickScale> tick_scale_{0}; // this and the next are what other threads write
    std::atomic<bool> hurried_{false};
    std::array<Hint, std::size_t{1} << hint_bits> hints_{};
};

// All presences of a machine. Thread: any.
class PresenceList {
  public:
    PresenceList();

    void add(Presence& presence);
    void remove(Presence& presence);

    [[nodiscard]] const std::atomic<std::uint64_t>& epoch() const { return epoch_; }

    // Times the accesses of all presences from soon on, also of those added later; 0 ends it.
    void measure(TickScale scale);

    // Returns once no other thread is inside `slot`, or at `deadline`, if there is one: with the number of a presence that
    // still is. The caller has closed the slot's gate before.
    [[nodiscard]] std::optional<std::size_t>
    wait_until_left(const Slot& slot, std::optional<std::chrono::steady_clock::time_point> deadline);

    // Keeps `garbage`, which readers may still hold pointers into, until none of them does; frees what has
    // become free.
    void retire(std::shared_ptr<const void> garbage);

  private:
    struct Retired {
        std::uint64_t epoch;
        std::shared_ptr<const void> garbage;
    };
    void make_stores_visible() const;

    std::atomic<std::uint64_t> epoch_{1};
    bool membarrier_ = false;
    // Shared while waiting for readers: a reader that is being waited for may itself retire something.
    std::shared_mutex presences_mutex_;
    std::vector<Presence*> presences_; // guarded by presences_mutex_
    TickScale tick_scale_ = 0;         // likewise
    std::mutex retired_mutex_;
    std::vector<Retired> retired_; // guarded by retired_mutex_
};

} // namespace plugbay::core
