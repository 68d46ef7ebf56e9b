// How long guest accesses wait for changes of a device.
#include "tests/unit/machine/manager_fixture.hpp"

namespace plugbay::core {
namespace {

class Pauses : public ManagerTest {};

TEST_F(Pauses, EachHoldIsRecorded) {
    const DeviceConfig configs[] = {device("one", "desk", 0x500), device("two", "desk", 0x501)};
    ASSERT_TRUE(manager->add(configs, {}));
    const PauseRecord& one = manager->find("one")->pauses();
    EXPECT_EQ(one.count, 0U) << "it was made, not held";
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(manager->reset("one"));
    EXPECT_EQ(one.count, 3U);
    EXPECT_GT(one.last, 0U);
    EXPECT_GE(one.longest, one.last);
    EXPECT_GE(one.total, one.longest);
    EXPECT_LE(one.total, 3 * one.longest);
    EXPECT_EQ(manager->find("two")->pauses().count, 0U);
    ASSERT_TRUE(manager->reset_all([]() -> Result<void> { return {}; }));
    EXPECT_EQ(one.count, 4U);
    EXPECT_EQ(manager->find("two")->pauses().count, 1U);
}

} // namespace
} // namespace plugbay::core
