#include "core/bus/range_map.hpp"

#include <algorithm>
#include <utility>

namespace plugbay::core {

namespace {

bool before(std::uint64_t value, const Region* region) {
    return value < region->base;
}

} // namespace

RangeMap::RangeMap(PresenceList& presences)
    : presences_(presences), owner_(std::make_shared<const Table>()), table_(owner_.get()) {}

const Region* RangeMap::find(std::uint64_t first, std::uint32_t count) const {
    const Table& table = *table_.load(std::memory_order_acquire);
    const auto after = std::upper_bound(table.begin(), table.end(), first, before);
    if (after == table.begin()) return nullptr;
    const Region* region = *std::prev(after);
    return region->holds(first, count) ? region : nullptr;
}

const Region* RangeMap::overlap(std::uint64_t first, std::uint64_t count) const {
    for (const Region* region : *owner_) {
        if (region->base < first + count && first < region->base + region->length) return region;
    }
    return nullptr;
}

void RangeMap::insert(const Region& region) {
    auto next = std::make_shared<Table>(*owner_);
    next->insert(std::upper_bound(next->begin(), next->end(), region.base, before), &region);
    publish(std::move(next));
}

void RangeMap::remove(const Region& region) {
    auto next = std::make_shared<Table>(*owner_);
    std::erase(*next, &region);
    publish(std::move(next));
}

void RangeMap::publish(std::shared_ptr<const Table> next) {
    table_.store(next.get(), std::memory_order_release);
    presences_.retire(std::exchange(owner_, std::move(next)));
}

} // namespace plugbay::core
