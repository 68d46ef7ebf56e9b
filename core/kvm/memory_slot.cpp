#include "core/kvm/memory_slot.hpp"

#include <algorithm>

namespace plugbay::core {

std::vector<MemorySlotRequest> cut_ram(std::span<const MemoryRange> ranges,
                                       std::span<const WatchedRam> watched, bool log_dirty) {
    std::vector<WatchedRam> sorted(watched.begin(), watched.end());
    std::sort(sorted.begin(), sorted.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
    std::vector<MemorySlotRequest> slots;
    for (const MemoryRange& range : ranges) {
        const std::uint64_t end = range.address + range.size;
        std::uint64_t done = range.address;
        const auto add = [&](std::uint64_t address, std::uint64_t size, bool read_only) {
            if (size == 0) return;
            slots.push_back({.address = address,
                             .size = size,
                             .host = range.host + (address - range.address),
                             .read_only = read_only,
                             .log_dirty = log_dirty});
        };
        for (const WatchedRam& each : sorted) {
            if (each.address < range.address || each.address >= end) continue;
            add(done, each.address - done, false);
            if (!each.reads) add(each.address, each.size, true);
            done = each.address + each.size;
        }
        add(done, end - done, false);
    }
    return slots;
}

} // namespace plugbay::core
