#include "core/device/resource_table.hpp"

#include <algorithm>
#include <utility>

namespace plugbay::core {

namespace {

plugbay_handle make_handle(std::uint32_t index, std::uint32_t generation) {
    return static_cast<plugbay_handle>(generation) << 32 | (index + 1);
}

} // namespace

plugbay_handle ResourceTable::add(std::shared_ptr<Resource> resource) {
    const std::lock_guard guard(mutex_);
    std::uint32_t index = used_.load(std::memory_order_relaxed);
    if (!free_.empty()) {
        index = free_.back();
        free_.pop_back();
    } else if (index == chunk_size * chunk_count) {
        return PLUGBAY_NO_HANDLE;
    }
    auto& owner = chunk_owners_[index / chunk_size];
    if (owner == nullptr) {
        owner = std::make_unique<Chunk>();
        chunks_[index / chunk_size].store(owner.get(), std::memory_order_release);
    }
    Entry& chosen = entry(index);
    chosen.age = next_age_++;
    chosen.owner = std::move(resource);
    chosen.resource.store(chosen.owner.get(), std::memory_order_release);
    if (index == used_.load(std::memory_order_relaxed)) used_.store(index + 1, std::memory_order_release);
    return make_handle(index, chosen.generation.load(std::memory_order_relaxed));
}

plugbay_handle ResourceTable::handle_of(const Resource& resource) const {
    const std::lock_guard guard(mutex_);
    for (const std::uint32_t index : by_age()) {
        if (entry(index).owner.get() == &resource)
            return make_handle(index, entry(index).generation.load(std::memory_order_relaxed));
    }
    return PLUGBAY_NO_HANDLE;
}

std::vector<std::shared_ptr<Resource>> ResourceTable::all() const {
    const std::lock_guard guard(mutex_);
    std::vector<std::shared_ptr<Resource>> result;
    for (const std::uint32_t index : by_age())
        result.push_back(entry(index).owner);
    return result;
}

bool ResourceTable::release_any(plugbay_handle handle) {
    std::shared_ptr<Resource> last; // its destructor runs without the lock
    const std::lock_guard guard(mutex_);
    if (find_any(handle) == nullptr) return false;
    const auto index = static_cast<std::uint32_t>(handle) - 1;
    entry(index).generation.fetch_add(1, std::memory_order_release);
    entry(index).resource.store(nullptr, std::memory_order_release);
    free_.push_back(index);
    last = std::move(entry(index).owner);
    return true;
}

std::vector<std::uint32_t> ResourceTable::by_age() const {
    std::vector<std::uint32_t> result;
    for (std::uint32_t index = 0; index < used_.load(); ++index) {
        if (entry(index).resource.load() != nullptr) result.push_back(index);
    }
    std::sort(result.begin(), result.end(), [&](auto a, auto b) { return entry(a).age < entry(b).age; });
    return result;
}

void ResourceTable::move(IoLoop& loop) {
    const std::lock_guard guard(mutex_);
    for (const std::uint32_t index : by_age())
        entry(index).resource.load()->move(loop);
}

void ResourceTable::release_all() {
    // Again when a destructor has added something.
    const auto all = [this] {
        const std::lock_guard guard(mutex_);
        return by_age();
    };
    for (auto indices = all(); !indices.empty(); indices = all()) {
        for (; !indices.empty(); indices.pop_back()) {
            std::shared_ptr<Resource> newest; // destroyed without the lock, one at a time
            const std::lock_guard guard(mutex_);
            Entry& each = entry(indices.back());
            if (each.resource.load() == nullptr) continue; // another's destructor gave it back
            each.generation.fetch_add(1, std::memory_order_release);
            each.resource.store(nullptr, std::memory_order_release);
            newest = std::move(each.owner);
            free_.push_back(indices.back());
        }
    }
}

} // namespace plugbay::core
