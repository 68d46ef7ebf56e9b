// Guest-physical addresses that are not RAM: who owns each. Readers look into an immutable sorted table that
// writers replace as a whole.
#pragma once

#include "core/bus/presence.hpp"
#include "core/bus/region.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace plugbay::core {

// find(): any thread with a Presence, between its begin_lookup and end_lookup. The others: one thread at a
// time.
class MemoryMap {
  public:
    explicit MemoryMap(PresenceList& presences);
    MemoryMap(const MemoryMap&) = delete;
    MemoryMap& operator=(const MemoryMap&) = delete;

    // The region that holds all of [address, address + width), or null.
    [[nodiscard]] const Region* find(Presence& presence, std::uint64_t address, std::uint32_t width) const {
        const std::uint64_t version = version_.load(std::memory_order_acquire);
        if (presence.hint.version == version && presence.hint.region->holds(address, width)) {
            return presence.hint.region;
        }
        return search(presence, version, address, width);
    }

    // The first region that overlaps [address, address + length), or null.
    [[nodiscard]] const Region* overlap(std::uint64_t address, std::uint64_t length) const;
    // `region` must overlap nothing and not wrap; it stays borrowed until removed and retired.
    void insert(const Region& region);
    void remove(const Region& region);

  private:
    using Table = std::vector<const Region*>; // by base

    [[nodiscard]] const Region* search(Presence& presence, std::uint64_t version, std::uint64_t address,
                                       std::uint32_t width) const;
    void publish(std::shared_ptr<const Table> next);

    PresenceList& presences_;
    std::shared_ptr<const Table> owner_;    // writers only
    std::atomic<const Table*> table_;       // what readers see: *owner_
    std::atomic<std::uint64_t> version_{1}; // raised after each change; 0 never occurs
};

} // namespace plugbay::core
