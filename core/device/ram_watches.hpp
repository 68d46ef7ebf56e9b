// Pages of the guest's RAM that devices watch.
#pragma once

#include "core/base/result.hpp"
#include "core/device/platform.hpp"

#include <vector>

namespace plugbay::core {

// Thread: [control], while no vCPU runs.
class RamWatches {
  public:
    explicit RamWatches(Platform& platform) : platform_(platform) {}
    RamWatches(const RamWatches&) = delete;
    RamWatches& operator=(const RamWatches&) = delete;

    // The bus answers the accesses from now on; `watched` overlaps no other.
    [[nodiscard]] Result<void> add(const WatchedRam& watched);
    void remove(const WatchedRam& watched);

  private:
    Platform& platform_;
    std::vector<WatchedRam> watched_;
};

} // namespace plugbay::core
