// MSRs that devices answer for.
#pragma once

#include "core/bus/range_map.hpp"
#include "core/bus/refusal.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

namespace plugbay::core {

class Platform;

class MsrMap {
  public:
    explicit MsrMap(PresenceList& presences) : presences_(presences), map_(presences) {}

    // --- guest accesses: any thread that owns `presence` and has added it; lock-free but for the device's
    // own lock. False: the guest gets a general-protection fault.
    [[nodiscard]] bool read(Presence& presence, std::uint32_t index, std::uint64_t& value);
    [[nodiscard]] bool write(Presence& presence, std::uint32_t index, std::uint64_t value);

    // --- the map: any thread. Region::flags are PLUGBAY_MSR_...

    // Takes the range and has `platform` deliver its accesses, or changes nothing and says why.
    [[nodiscard]] std::optional<Refusal> place(const Region& region, Platform& platform);
    // After this no new access reaches the region, which is freed when the last one has left.
    void remove(const std::shared_ptr<const Region>& region, Platform& platform);

  private:
    [[nodiscard]] std::optional<Refusal> check(const Region& region) const; // caller holds mutex_

    PresenceList& presences_;
    RangeMap map_;
    std::mutex mutex_; // serialises changes
};

} // namespace plugbay::core
