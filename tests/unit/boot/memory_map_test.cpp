#include "core/boot/memory_map.hpp"

#include "core/boot/guest_layout.hpp"
#include "tests/unit/boot/test_images.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using ::testing::HasSubstr;

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
    const auto map = make_memory_map(*memory, {});
    ASSERT_TRUE(map);
    EXPECT_EQ(lines(*map), (std::vector<Line>{{0, 0x9fc00, usable},
                                              {0x9fc00, 0xa0000, reserved},
                                              {0xa0000, 0x100000, reserved},
                                              {0x100000, pci_hole_start, usable},
                                              {pci_hole_end, pci_hole_end + (1 << 30), usable}}));
}

TEST(MemoryMap, AGuestOfOneMebibyteHasNoHighRam) {
    const auto memory = test::make_memory(1 << 20);
    const auto map = make_memory_map(*memory, {});
    ASSERT_TRUE(map);
    EXPECT_EQ(map->size(), 3U);
}

TEST(MemoryMap, ReservedRangesAreCutOut) {
    const auto memory = test::make_memory(16 << 20);
    const std::vector<ReservedRange> ranges{
        {0xd0000000, 0x1000, reserved, "outside RAM"},
        {0x800000, 0x100000, MemoryType::acpi_nvs, "middle"},
        {0xfff000, 0x2000, reserved, "across the end"},
        {0x9f000, 0x2000, reserved, "across the hole's start"},
    };
    const auto map = make_memory_map(*memory, ranges);
    ASSERT_TRUE(map) << map.error().text();
    EXPECT_EQ(lines(*map), (std::vector<Line>{{0, 0x9f000, usable},
                                              {0x9f000, 0xa1000, reserved},
                                              {0xa1000, 0x100000, reserved},
                                              {0x100000, 0x800000, usable},
                                              {0x800000, 0x900000, MemoryType::acpi_nvs},
                                              {0x900000, 0xfff000, usable},
                                              {0xfff000, 0x1001000, reserved},
                                              {0xd0000000, 0xd0001000, reserved}}));
}

TEST(MemoryMap, ImpossibleRangesAreRefused) {
    const auto memory = test::make_memory(16 << 20);
    const auto refusal = [&](std::vector<ReservedRange> ranges) {
        const auto map = make_memory_map(*memory, ranges);
        return map ? std::string("accepted") : map.error().text();
    };
    EXPECT_THAT(refusal({{0x800000, 0, reserved, "vram"}}), HasSubstr("vram reserves 0x0 bytes"));
    EXPECT_THAT(refusal({{~std::uint64_t{0}, 2, reserved, "vram"}}), HasSubstr("no range of addresses"));
    EXPECT_THAT(refusal({{0x800000, 0x1000, reserved, "a"}, {0x800fff, 1, reserved, "b"}}),
                HasSubstr("b reserves 0x800fff-0x800fff"));
    std::vector<ReservedRange> many;
    for (std::uint64_t i = 0; i < 128; ++i)
        many.push_back({0x200000 + i * 0x4000, 0x1000, reserved, "many"});
    EXPECT_THAT(refusal(many), HasSubstr("128 can be told"));
}

} // namespace
} // namespace plugbay::core
