#include "core/kvm/msr_filter.hpp"

#include <gtest/gtest.h>

namespace plugbay::core {
namespace {

// Whether KVM would let an access through, as its API describes (4.97).
bool allowed(const std::vector<MsrFilterRange>& ranges, std::uint32_t index, bool write) {
    for (const MsrFilterRange& range : ranges) {
        if (index < range.first || index - range.first >= range.count) continue;
        if (!(write ? range.write : range.read)) continue;
        const std::uint32_t bit = index - range.first;
        return (range.allowed[bit / 8] >> bit % 8 & 1) != 0;
    }
    return true;
}

void expect_exact(const std::vector<MsrInterception>& wanted, std::size_t most_ranges) {
    const auto ranges = compute_msr_filter(wanted);
    ASSERT_TRUE(ranges) << ranges.error().text();
    EXPECT_LE(ranges->size(), most_ranges);
    const auto check = [&](std::uint32_t index) {
        bool read = false;
        bool write = false;
        for (const auto& each : wanted) {
            if (index < each.first || index - each.first >= each.count) continue;
            read |= each.read;
            write |= each.write;
        }
        EXPECT_EQ(allowed(*ranges, index, false), !read) << "read of " << index;
        EXPECT_EQ(allowed(*ranges, index, true), !write) << "write of " << index;
    };
    for (const auto& each : wanted) {
        for (const std::uint32_t edge : {each.first, each.first + each.count}) {
            for (std::uint32_t near = edge - 3; near != edge + 3; ++near)
                check(near);
        }
        for (std::uint32_t index = each.first; index - each.first < each.count; index += 997)
            check(index);
    }
    for (const auto& range : *ranges) {
        EXPECT_LE(range.count, most_msrs_in_filter_range);
        EXPECT_EQ(range.allowed.size() % 8, 0u);
        EXPECT_GE(range.allowed.size() * 8, range.count);
    }
}

TEST(MsrFilter, LetsThroughExactlyTheRest) {
    expect_exact({}, 0);
    expect_exact({{.first = 0, .count = 0, .read = true, .write = true}}, 0);
    expect_exact({{.first = 0x10, .count = 1, .read = true, .write = true}}, 1);
    expect_exact({{.first = 0x10, .count = 1, .read = true}}, 1);
    expect_exact({{.first = 0x10, .count = 1, .write = true}, {.first = 0x12, .count = 1, .read = true}}, 2);
    expect_exact({{.first = 0xc0000080, .count = 4, .read = true, .write = true},
                  {.first = 0x1b, .count = 1, .read = true, .write = true},
                  {.first = 0x3000, .count = 2, .read = true, .write = true}},
                 2);
    expect_exact({{.first = 0xfffffffe, .count = 2, .read = true, .write = true}}, 1);
    expect_exact({{.first = 100, .count = 40000, .read = true, .write = true}}, 4);
    expect_exact({{.first = 12388, .count = 1, .write = true}, {.first = 100, .count = 12288, .read = true}},
                 2);
    expect_exact({{.first = 100, .count = 12287, .read = true},
                  {.first = 12387, .count = 2, .write = true},
                  {.first = 12390, .count = 1, .read = true}},
                 4);
}

TEST(MsrFilter, RefusesWhatDoesNotFit) {
    std::vector<MsrInterception> scattered;
    for (std::uint32_t i = 0; i < 16; ++i)
        scattered.push_back({.first = i << 20, .count = 1, .read = true, .write = true});
    expect_exact(scattered, 16);
    scattered.push_back({.first = 17 << 20, .count = 1, .read = true});
    const auto refused = compute_msr_filter(scattered);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text().find("16"), std::string::npos);
    EXPECT_FALSE(compute_msr_filter({{{.first = 0, .count = 0xffffffff, .read = true}}}));
}

} // namespace
} // namespace plugbay::core
