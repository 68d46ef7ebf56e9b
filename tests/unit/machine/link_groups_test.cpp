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
    const LinkGroups groups(config);
    EXPECT_EQ(groups.count(), 4U);
    const std::vector<std::vector<std::string>> expected = {
        {"a", "b", "c", "d"}, {"alone"}, {"con", "com"}, {"x", "y", "z", "hub"}};
    std::set<std::size_t> numbers;
    std::set<const CallbackLock*> locks;
    for (const auto& together : expected) {
        const std::size_t group = groups.of(together.front());
        ASSERT_LT(group, groups.count());
        EXPECT_TRUE(numbers.insert(group).second) << together.front();
        EXPECT_TRUE(locks.insert(groups.lock(group).get()).second);
        for (const auto& id : together)
            EXPECT_EQ(groups.of(id), group) << id;
    }
}

TEST(LinkGroups, LongChainIsOneGroup) {
    MachineConfig config;
    for (int i = 0; i < 1000; ++i)
        config.devices.push_back(
            device("d" + std::to_string(i), i == 999 ? "" : "d" + std::to_string((i * 7 + 1) % 1000)));
    config.devices[999].link.reset();
    const LinkGroups groups(config);
    for (int i = 0; i < 999; ++i)
        EXPECT_EQ(groups.of("d" + std::to_string(i)), groups.of("d" + std::to_string((i * 7 + 1) % 1000)));
}

TEST(LinkGroups, NoDevices) {
    EXPECT_EQ(LinkGroups(MachineConfig{}).count(), 0U);
}

} // namespace
} // namespace plugbay::core
