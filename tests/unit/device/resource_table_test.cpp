#include "core/device/resource_table.hpp"

#include <gtest/gtest.h>
#include <set>

namespace plugbay::core {
namespace {

struct Numbered : Resource {
    static constexpr ResourceKind resource_kind = ResourceKind::timer;
    Numbered(int n, std::vector<int>& to) : number(n), gone(to) {}
    ~Numbered() override { gone.push_back(number); }
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override { return std::to_string(number); }
    int number;
    std::vector<int>& gone;
};
struct Other : Resource {
    static constexpr ResourceKind resource_kind = ResourceKind::line;
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override { return "other"; }
};

TEST(ResourceTable, FindsByHandleAndKind) {
    std::vector<int> gone;
    ResourceTable table;
    const auto handle = table.add(std::make_unique<Numbered>(1, gone));
    ASSERT_NE(handle, PLUGBAY_NO_HANDLE);
    ASSERT_NE(table.find<Numbered>(handle), nullptr);
    EXPECT_EQ(table.find<Numbered>(handle)->number, 1);
    EXPECT_EQ(table.find<Other>(handle), nullptr);
    EXPECT_FALSE(table.release<Other>(handle));
    const plugbay_handle wrong_ones[] = {plugbay_handle{0}, handle + 1, handle ^ (1ULL << 32),
                                         handle & 0xffff'ffff, ~plugbay_handle{0}};
    for (const plugbay_handle wrong : wrong_ones) {
        EXPECT_EQ(table.find<Numbered>(wrong), nullptr) << std::hex << wrong;
    }
    EXPECT_TRUE(gone.empty());
    EXPECT_TRUE(table.release<Numbered>(handle));
    EXPECT_EQ(gone, std::vector<int>{1});
    EXPECT_FALSE(table.release<Numbered>(handle));
}

TEST(ResourceTable, EntriesAreUsedAgainUnderNewHandles) {
    std::vector<int> gone;
    ResourceTable table;
    std::set<plugbay_handle> seen;
    for (int i = 0; i < 1000; ++i) {
        const auto handle = table.add(std::make_unique<Numbered>(i, gone));
        EXPECT_TRUE(seen.insert(handle).second);
        EXPECT_EQ(static_cast<std::uint32_t>(handle), 1U);
        ASSERT_TRUE(table.release<Numbered>(handle));
    }
}

TEST(ResourceTable, ReleasesNewestFirstWhateverTheirPlace) {
    std::vector<int> gone;
    ResourceTable table;
    const auto first = table.add(std::make_unique<Numbered>(1, gone));
    static_cast<void>(table.add(std::make_unique<Numbered>(2, gone)));
    ASSERT_TRUE(table.release<Numbered>(first));
    static_cast<void>(table.add(std::make_unique<Numbered>(3, gone))); // in the place of the first
    std::vector<std::string> listed;
    table.each([&](const Resource& each) { listed.push_back(each.describe()); });
    EXPECT_EQ(listed, (std::vector<std::string>{"2", "3"}));
    table.release_all();
    EXPECT_EQ(gone, (std::vector<int>{1, 3, 2}));
}

TEST(ResourceTable, RefusesMoreThanItHolds) {
    std::vector<int> gone;
    ResourceTable table;
    plugbay_handle last = PLUGBAY_NO_HANDLE;
    int count = 0;
    for (; count < 100'000; ++count) {
        const auto handle = table.add(std::make_unique<Other>());
        if (handle == PLUGBAY_NO_HANDLE) break;
        last = handle;
    }
    EXPECT_EQ(count, 16384);
    EXPECT_EQ(table.add(std::make_unique<Numbered>(1, gone)), PLUGBAY_NO_HANDLE);
    EXPECT_EQ(gone, std::vector<int>{1}) << "what is refused is given back at once";
    ASSERT_TRUE(table.release<Other>(last));
    EXPECT_NE(table.add(std::make_unique<Other>()), PLUGBAY_NO_HANDLE);
}

} // namespace
} // namespace plugbay::core
