#include "core/device/resource_table.hpp"

#include <algorithm>

namespace plugbay::core {

plugbay_handle ResourceTable::add(std::unique_ptr<Resource> resource) {
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
    chosen.resource.store(resource.release(), std::memory_order_release);
    if (index == used_.load(std::memory_order_relaxed)) used_.store(index + 1, std::memory_order_release);
    return static_cast<plugbay_handle>(chosen.generation.load(std::memory_order_relaxed)) << 32 | (index + 1);
}

bool ResourceTable::release_any(plugbay_handle handle) {
    std::unique_ptr<Resource> last; // its destructor runs without the lock
    const std::lock_guard guard(mutex_);
    Resource* resource = find_any(handle);
    if (resource == nullptr) return false;
    const auto index = static_cast<std::uint32_t>(handle) - 1;
    entry(index).generation.fetch_add(1, std::memory_order_release);
    entry(index).resource.store(nullptr, std::memory_order_release);
    free_.push_back(index);
    last.reset(resource);
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
            std::unique_ptr<Resource> newest; // destroyed without the lock, one at a time
            const std::lock_guard guard(mutex_);
            Entry& each = entry(indices.back());
            if (each.resource.load() == nullptr) continue; // another's destructor gave it back
            each.generation.fetch_add(1, std::memory_order_release);
            newest.reset(each.resource.exchange(nullptr));
            free_.push_back(indices.back());
        }
    }
}

} // namespace plugbay::core
