// Changes under devices whose timers, descriptors and configuration hooks never rest.
#include "tests/unit/machine/busy_crew.hpp"

namespace plugbay::core {
namespace {

using BusyDevices = BusyTest;

TEST_F(BusyDevices, JoinedGroupsShareALoop) {
    ASSERT_TRUE(add({device("pci0", "bridge")}));
    ASSERT_TRUE(add({device("desk", "busy-desk", 0x3f8)}));
    ASSERT_TRUE(add({device("clerk", "busy-clerk")}));
    ASSERT_NE(&manager->find("desk")->loop(), &manager->find("clerk")->loop());
    const auto home = ticks.next("desk timer");
    const auto elsewhere = ticks.next("clerk timer");
    ASSERT_NE(home, elsewhere);
    for (int round = 0; round < 20; ++round) {
        ASSERT_TRUE(manager->connect("clerk", 0, "desk", {}));
        EXPECT_EQ(&manager->find("desk")->loop(), &manager->find("clerk")->loop());
        // An event that was on its way may have come from the thread before.
        for (const char* key : {"desk timer", "desk fd", "clerk timer", "clerk fd"})
            EXPECT_TRUE(eventually([&] { return ticks.next(key) == home; })) << key;
        ASSERT_TRUE(manager->disconnect("desk", 0));
        if (HasFailure()) break;
    }
}

// A chain's far end moves too.
TEST_F(BusyDevices, AWholeGroupMoves) {
    ASSERT_TRUE(add({device("a", "desk"), linked(device("b", "busy-clerk"), "a")}));
    ASSERT_TRUE(add({device("pci0", "bridge")}));
    ASSERT_TRUE(add({device("c", "busy-desk")}));
    ASSERT_TRUE(manager->disconnect("b", 0));
    ASSERT_TRUE(manager->connect("b", 0, "c", {}));
    EXPECT_EQ(&manager->find("b")->loop(), &manager->find("c")->loop());
    EXPECT_EQ(ticks.next("b timer"), ticks.next("c timer"));
}

// A configuration access waits while the function's device holds still; it never finds nobody, and never a device that
// is quiesced (see Crew).
TEST_F(BusyDevices, ConfigurationHooksWaitWhileTheDeviceHoldsStill) {
    ASSERT_TRUE(add({device("pci0", "bridge", 0x80), device("desk", "busy-desk", 0x3f8)}));
    ASSERT_TRUE(add({device("clerk", "busy-clerk")}));
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> answers{0};
    std::atomic<std::uint64_t> wrong{0};
    std::vector<std::thread> vcpus;
    for (int i = 0; i < 2; ++i) {
        vcpus.emplace_back([&] {
            Presence own;
            bus.presences().add(own);
            while (!stop) {
                if (bus.read_port(own, 0x80, 1) != hook_answer) ++wrong;
                ++answers;
            }
            bus.presences().remove(own);
        });
    }
    for (int round = 0; round < 300; ++round) {
        ASSERT_TRUE(manager->reset("desk"));
        ASSERT_TRUE(manager->connect("clerk", 0, "desk", {}));
        if (round % 10 == 0) {
            EXPECT_TRUE(manager->reset("pci0"));
        }
        ASSERT_TRUE(manager->disconnect("clerk", 0));
        const std::uint64_t before = answers;
        while (answers == before)
            std::this_thread::yield();
    }
    stop = true;
    for (auto& vcpu : vcpus)
        vcpu.join();
    EXPECT_EQ(wrong, 0U);
}

// The bridge with its functions, in one change, under accesses: no order of closing gates makes anybody wait for ever.
TEST_F(BusyDevices, ABridgeGoesWithItsFunctionsUnderAccesses) {
    std::atomic<bool> stop{false};
    std::thread vcpu([&] {
        Presence own;
        bus.presences().add(own);
        while (!stop) {
            static_cast<void>(bus.read_port(own, 0x80, 1));
            bus.write_port(own, 0x80, 1, 1); // moves a BAR, for which others make room
        }
        bus.presences().remove(own);
    });
    for (int round = 0; round < 100; ++round) {
        ASSERT_TRUE(add({device("pci0", "bridge", 0x80), device("x", "busy-desk"), device("y", "busy-desk"),
                         linked(device("z", "busy-clerk"), "x")}));
        if (round % 2 == 0) {
            ASSERT_TRUE(manager->remove("x", false));
        }
        ASSERT_TRUE(manager->remove("pci0", true));
        ASSERT_TRUE(manager->remove("z", true));
    }
    stop = true;
    vcpu.join();
    EXPECT_EQ(living, 0);
}

} // namespace
} // namespace plugbay::core
