#include "core/bus/memory_map.hpp"

#include <utility>

namespace plugbay::core {

MemoryMap::MemoryMap(PresenceList& presences)
    : presences_(presences), owner_(std::make_shared<const Table>()), table_(owner_.get()) {}

const Region* MemoryMap::search(Presence& presence, std::uint64_t version, std::uint64_t address,
                                std::uint32_t width) const {
    // The version was read before the table: a change in between makes the hint stale at once, never wrong.
    const Table& table = *table_.load(std::memory_order_acquire);
    const auto after =
        std::upper_bound(table.begin(), table.end(), address,
                         [](std::uint64_t value, const Region* region) { return value < region->base; });
    if (after == table.begin()) return nullptr;
    const Region* region = *std::prev(after);
    if (!region->holds(address, width)) return nullptr;
    presence.hint = {.region = region, .version = version};
    return region;
}

const Region* MemoryMap::overlap(std::uint64_t address, std::uint64_t length) const {
    for (const Region* region : *owner_) {
        if (region->base < address + length && address < region->base + region->length) return region;
    }
    return nullptr;
}

void MemoryMap::insert(const Region& region) {
    auto next = std::make_shared<Table>(*owner_);
    const auto place =
        std::upper_bound(next->begin(), next->end(), region.base,
                         [](std::uint64_t value, const Region* each) { return value < each->base; });
    next->insert(place, &region);
    publish(std::move(next));
}

void MemoryMap::remove(const Region& region) {
    auto next = std::make_shared<Table>(*owner_);
    std::erase(*next, &region);
    publish(std::move(next));
}

void MemoryMap::publish(std::shared_ptr<const Table> next) {
    table_.store(next.get(), std::memory_order_release);
    version_.fetch_add(1, std::memory_order_release);
    presences_.retire(std::exchange(owner_, std::move(next)));
}

} // namespace plugbay::core
