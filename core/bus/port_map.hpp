// The 65536 I/O ports: who owns each. A lookup is one table index.
#pragma once

#include "core/bus/region.hpp"

#include <atomic>
#include <cstdint>

namespace plugbay::core {

// find(): any thread, wait-free. The others: one thread at a time (the owner locks).
class PortMap {
  public:
    PortMap();
    PortMap(const PortMap&) = delete;
    PortMap& operator=(const PortMap&) = delete;
    ~PortMap();

    [[nodiscard]] const Region* find(std::uint16_t port) const {
        return table_[port].load(std::memory_order_acquire);
    }

    // The first region that overlaps [first, first + count), or null.
    [[nodiscard]] const Region* overlap(std::uint32_t first, std::uint32_t count) const;
    // `region` must fit into the ports and overlap nothing; it stays borrowed until removed and retired.
    void insert(const Region& region);
    void remove(const Region& region);

  private:
    static constexpr std::uint32_t port_count = 65536;
    std::atomic<const Region*>* table_; // zero pages until used: a few pages resident, not 512 KiB
};

} // namespace plugbay::core
