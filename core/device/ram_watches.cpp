#include "core/device/ram_watches.hpp"

#include "core/base/log.hpp"

namespace plugbay::core {

Result<void> RamWatches::add(const WatchedRam& watched) {
    watched_.push_back(watched);
    auto done = platform_.watch_ram(watched_);
    if (!done) watched_.pop_back();
    return done;
}

void RamWatches::remove(const WatchedRam& watched) {
    std::erase_if(watched_, [&](const WatchedRam& each) { return each.address == watched.address; });
    if (auto done = platform_.watch_ram(watched_); !done) {
        log_for(Subsystem::bus)
            .error("RAM at {:#x} stays out of the guest's reach: {}", watched.address, done.error().text());
    }
}

} // namespace plugbay::core
