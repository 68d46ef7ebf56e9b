#include "core/machine/link_groups.hpp"

#include <gtest/gtest.h>
#include <set>

namespace plugbay::core {
namespace {

DeviceConfig device(const std::string& id, const std::string& frontend = "") {
    DeviceConfig config{.id = id};
    if (!frontend.empty()) config.link = LinkConfig{.frontend_device = frontend};
    return config;
}

TEST(LinkGroups, JoinsWhatIsLinkedDirectlyOrThroughOthers) {
    MachineConfig config;
    // A chain a-b-c-d written in no order, a pair, a star and one alone.
    config.devices = {device("c", "d"),   device("a", "b"),     device("alone"),   device("d"),
                      device("b", "c"),   device("con", "com"), device("com"),     device("x", "hub"),
                      device("y", "hub"), device("hub"),        device("z", "hub")};
    const LinkGroups groups(config.devices);
    EXPECT_EQ(groups.count(), 4U);
    const std::vector<std::vector<std::string>> expected = {
        {"a", "b", "c", "d"}, {"alone"}, {"con", "com"}, {"x", "y", "z", "hub"}};
    std::set<std::size_t> numbers;
    for (const auto& together : expected) {
        const std::size_t group = groups.of(together.front());
        ASSERT_LT(group, groups.count());
        EXPECT_TRUE(numbers.insert(group).second) << together.front();
        for (const auto& id : together)
            EXPECT_EQ(groups.of(id), group) << id;
    }
}

TEST(LinkGroups, LongChainIsOneGroup) {
    constexpr int length = 1000;
    MachineConfig config;
    for (int i = 0; i < length; ++i) {
        const int link = i * 7 % length; // each once, in no order
        config.devices.push_back(
            device("d" + std::to_string(link), link + 1 == length ? "" : "d" + std::to_string(link + 1)));
    }
    const LinkGroups groups(config.devices);
    EXPECT_EQ(groups.count(), 1U);
    for (int i = 0; i < length; ++i)
        EXPECT_EQ(groups.of("d" + std::to_string(i)), 0U);
}

TEST(LinkGroups, LeavesOutFrontendsThatAreNotAmongThem) {
    const std::vector<DeviceConfig> devices = {device("a", "elsewhere"), device("b", "elsewhere")};
    EXPECT_EQ(LinkGroups(devices).count(), 2U);
}

TEST(LinkGroups, NoDevices) {
    EXPECT_EQ(LinkGroups({}).count(), 0U);
}

} // namespace
} // namespace plugbay::core
