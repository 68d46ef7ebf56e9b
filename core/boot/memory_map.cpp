#include "core/boot/memory_map.hpp"

#include "core/boot/guest_layout.hpp"

#include <algorithm>
#include <spdlog/fmt/fmt.h>

namespace plugbay::core {

namespace {

void cut(std::vector<MemoryMapEntry>& map, std::uint64_t start, std::uint64_t end) {
    std::vector<MemoryMapEntry> rest;
    for (const auto& entry : map) {
        const std::uint64_t entry_end = entry.address + entry.size;
        if (entry.address < start) {
            rest.push_back({entry.address, std::min(entry_end, start) - entry.address, entry.type});
        }
        if (entry_end > end) {
            const std::uint64_t from = std::max(entry.address, end);
            rest.push_back({from, entry_end - from, entry.type});
        }
    }
    map = std::move(rest);
}

std::vector<MemoryMapEntry> base_map(const GuestMemory& memory) {
    std::vector<MemoryMapEntry> map{
        {0, layout::conventional_end, MemoryType::usable},
        {layout::conventional_end, layout::legacy_hole - layout::conventional_end, MemoryType::reserved},
        {layout::legacy_hole, layout::high_memory - layout::legacy_hole, MemoryType::reserved},
    };
    for (const auto& range : memory.ranges()) {
        const std::uint64_t start = std::max(range.address, layout::high_memory);
        const std::uint64_t end = range.address + range.size;
        if (end > start) map.push_back({start, end - start, MemoryType::usable});
    }
    return map;
}

} // namespace

Result<std::vector<MemoryMapEntry>> make_memory_map(const GuestMemory& memory,
                                                    std::span<const ReservedRange> reserved) {
    auto map = base_map(memory);
    std::vector<MemoryMapEntry> taken;
    for (const auto& range : reserved) {
        if (range.size == 0 || range.address > ~std::uint64_t{0} - range.size) {
            return Error{fmt::format("{} reserves {:#x} bytes at {:#x}, which is no range of addresses",
                                     range.owner, range.size, range.address),
                         "give a size above 0 that does not pass the end of the address space"};
        }
        const std::uint64_t end = range.address + range.size;
        for (const auto& other : taken) {
            if (range.address < other.address + other.size && other.address < end) {
                return Error{fmt::format("{} reserves {:#x}-{:#x}, which another range has in part",
                                         range.owner, range.address, end - 1),
                             "move one of the two devices"};
            }
        }
        taken.push_back({range.address, range.size, range.type});
        cut(map, range.address, end);
    }
    map.insert(map.end(), taken.begin(), taken.end());
    std::ranges::sort(map, {}, &MemoryMapEntry::address);
    if (map.size() > layout::map_entry_limit) {
        return Error{fmt::format("the memory map has {} entries, but {} can be told to the guest", map.size(),
                                 layout::map_entry_limit),
                     "use fewer devices that reserve memory"};
    }
    return map;
}

} // namespace plugbay::core
