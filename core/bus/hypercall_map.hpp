// Hypercalls that devices answer.
#pragma once

#include "core/bus/range_map.hpp"
#include "core/bus/refusal.hpp"

#include <plugbay/abi/hypercall.h>

#include <memory>
#include <mutex>
#include <optional>

namespace plugbay::core {

class HypercallMap {
  public:
    explicit HypercallMap(PresenceList& presences) : presences_(presences), map_(presences) {}

    // A guest's call, with the number in `registers.number`: changes the registers as the device wants. Any
    // thread that owns `presence` and has added it; lock-free but for the device's own lock.
    void call(Presence& presence, plugbay_hypercall_registers& registers);

    // --- the map: any thread. Region::base and length are call numbers.

    [[nodiscard]] std::optional<Refusal> place(const Region& region);
    // After this no new call reaches the region, which is freed when the last one has left.
    void remove(const std::shared_ptr<const Region>& region);

  private:
    PresenceList& presences_;
    RangeMap map_;
    std::mutex mutex_; // serialises changes
};

} // namespace plugbay::core
