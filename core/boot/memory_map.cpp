#include "core/boot/memory_map.hpp"

#include "core/boot/guest_layout.hpp"

#include <algorithm>

namespace plugbay::core {

std::vector<MemoryMapEntry> make_memory_map(const GuestMemory& memory) {
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

} // namespace plugbay::core
