// Guest-physical addresses that are not plain RAM: who owns each.
#pragma once

#include "core/bus/range_map.hpp"

#include <atomic>
#include <cstdint>

namespace plugbay::core {

// A RangeMap that remembers each thread's hits, one for some pages. find(): any thread with a Presence, between its
// begin_lookup and end_lookup. The others: one thread at a time.
class MemoryMap {
  public:
    explicit MemoryMap(PresenceList& presences) : ranges_(presences) {}

    // The region that holds all of [address, address + width), or null.
    [[nodiscard]] const Region* find(Presence& presence, std::uint64_t address, std::uint32_t width) const {
        const std::uint64_t version = version_.load(std::memory_order_acquire);
        Presence::Hint& hint = presence.hint(address);
        if (hint.version == version && hint.region->holds(address, width)) return hint.region;
        // The version was read before the table: a change in between makes the hint stale at once, never
        // wrong.
        const Region* region = ranges_.find(address, width);
        if (region != nullptr) hint = {.region = region, .version = version};
        return region;
    }

    // As in RangeMap.
    [[nodiscard]] const Region* overlap(std::uint64_t address, std::uint64_t length) const {
        return ranges_.overlap(address, length);
    }
    void insert(const Region& region) {
        ranges_.insert(region);
        version_.fetch_add(1, std::memory_order_release);
    }
    void remove(const Region& region) {
        ranges_.remove(region);
        version_.fetch_add(1, std::memory_order_release);
    }

  private:
    RangeMap ranges_;
    std::atomic<std::uint64_t> version_{1}; // raised after each change; 0 never occurs
};

} // namespace plugbay::core
