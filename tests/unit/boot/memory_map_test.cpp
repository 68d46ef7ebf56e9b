#include "core/boot/memory_map.hpp"

#include "core/boot/guest_layout.hpp"
#include "tests/unit/boot/test_images.hpp"

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

struct Line {
    std::uint64_t address, end;
    MemoryType type;
    bool operator==(const Line&) const = default;
};

std::vector<Line> lines(const std::vector<MemoryMapEntry>& map) {
    std::vector<Line> result;
    for (const auto& entry : map)
        result.push_back({entry.address, entry.address + entry.size, entry.type});
    return result;
}

constexpr auto usable = MemoryType::usable;
constexpr auto reserved = MemoryType::reserved;

TEST(MemoryMap, ShowsRamAroundTheHoles) {
    const auto memory = test::make_memory(std::uint64_t{4} << 30);
    const auto map = make_memory_map(*memory);
    EXPECT_EQ(lines(map), (std::vector<Line>{{0, 0x9fc00, usable},
                                             {0x9fc00, 0xa0000, reserved},
                                             {0xa0000, 0x100000, reserved},
                                             {0x100000, pci_hole_start, usable},
                                             {pci_hole_end, pci_hole_end + (1 << 30), usable}}));
}

TEST(MemoryMap, AGuestOfOneMebibyteHasNoHighRam) {
    const auto memory = test::make_memory(1 << 20);
    const auto map = make_memory_map(*memory);
    EXPECT_EQ(map.size(), 3U);
}

} // namespace
} // namespace plugbay::core
