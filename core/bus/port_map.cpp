#include "core/bus/port_map.hpp"

#include <new>
#include <sys/mman.h>

namespace plugbay::core {

PortMap::PortMap() {
    void* memory = ::mmap(nullptr, port_count * sizeof *table_, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    // Zero bytes are null pointers, and std::atomic of a pointer has no other state.
    static_assert(std::atomic<const Region*>::is_always_lock_free);
    table_ = static_cast<std::atomic<const Region*>*>(memory);
}

PortMap::~PortMap() {
    ::munmap(table_, port_count * sizeof *table_);
}

const Region* PortMap::overlap(std::uint32_t first, std::uint32_t count) const {
    for (std::uint32_t port = first; port < first + count; ++port) {
        if (const Region* region = table_[port].load(std::memory_order_relaxed)) return region;
    }
    return nullptr;
}

void PortMap::insert(const Region& region) {
    for (std::uint64_t port = region.base; port < region.base + region.length; ++port) {
        table_[port].store(&region, std::memory_order_release);
    }
}

void PortMap::remove(const Region& region) {
    for (std::uint64_t port = region.base; port < region.base + region.length; ++port) {
        table_[port].store(nullptr, std::memory_order_release);
    }
}

} // namespace plugbay::core
