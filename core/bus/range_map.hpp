// Who owns which range of a space of numbers: guest-physical addresses, MSRs, hypercalls. Readers look into
// an immutable sorted table that writers replace as a whole.
#pragma once

#include "core/bus/presence.hpp"
#include "core/bus/region.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace plugbay::core {

// find(): any thread with a Presence, between its begin_lookup and end_lookup. The others: one thread at a
// time.
class RangeMap {
  public:
    using Table = std::vector<const Region*>; // by base

    explicit RangeMap(PresenceList& presences);
    RangeMap(const RangeMap&) = delete;
    RangeMap& operator=(const RangeMap&) = delete;

    // The region that holds all of [first, first + count), or null.
    [[nodiscard]] const Region* find(std::uint64_t first, std::uint32_t count) const;

    [[nodiscard]] const Table& regions() const { return *owner_; }
    // The first region that overlaps [first, first + count), or null. The range does not wrap.
    [[nodiscard]] const Region* overlap(std::uint64_t first, std::uint64_t count) const;
    // `region` must overlap nothing and not wrap; it stays borrowed until removed and retired.
    void insert(const Region& region);
    void remove(const Region& region);

  private:
    void publish(std::shared_ptr<const Table> next);

    PresenceList& presences_;
    std::shared_ptr<const Table> owner_; // writers only
    std::atomic<const Table*> table_;    // what readers see: *owner_
};

} // namespace plugbay::core
