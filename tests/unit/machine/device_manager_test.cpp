#include "tests/unit/machine/manager_fixture.hpp"

#include "core/machine/device_tree.hpp"

#include <gmock/gmock.h>

#include <chrono>

namespace plugbay::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using DeviceManagerTest = ManagerTest;

TEST_F(DeviceManagerTest, OrderOfTheListDoesNotMatter) {
    ASSERT_TRUE(add({linked(device("con", "clerk"), "com"), device("com", "desk", 0x3f8)}));
    out(0x3f8, 7);
    EXPECT_EQ(in(0x3f8), 8U);
    EXPECT_THAT(journal.take(), ElementsAre("create con", "create com", "connect com", "connect con",
                                            "start con", "start com"));
}

TEST_F(DeviceManagerTest, WhateverFailsNothingIsLeftAndNothingElseIsTouched) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8), device("spare", "desk", 0x2f8)}));
    out(0x2f8, 1);
    static_cast<void>(journal.take());
    struct Case {
        const char* why;
        std::vector<DeviceConfig> devices;
    };
    const Case cases[] = {
        {"it was told to",
         {device("a", "desk", 0x100), linked(device("b", "clerk", 0x101, Fault::create), "com")}},
        {"it was told to",
         {linked(device("a", "clerk", 0x100), "com"), device("b", "desk", 0x101, Fault::start)}},
        {"not with that one",
         {linked(device("a", "clerk", 0x100), "com"),
          linked(device("b", "clerk", 0x101, Fault::connect), "spare")}},
        {"overlap", {device("a", "desk", 0x100), device("b", "desk", 0x3f8)}},
        {"does not exist", {device("a", "desk", 0x100), linked(device("b", "clerk", 0x101), "nowhere")}},
        {"there is a device \"com\" already", {device("a", "desk", 0x100), device("com", "clerk", 0x101)}},
        {"there is a device \"a\" already", {device("a", "desk", 0x100), device("a", "clerk", 0x101)}},
        {"no type", {device("a", "desk", 0x100), device("b", "parrot", 0x101)}},
        {"is connected to device \"a\"",
         {linked(device("a", "clerk", 0x100), "com"), linked(device("b", "clerk", 0x101), "com")}},
    };
    for (const Case& each : cases) {
        SCOPED_TRACE(each.why);
        const auto added = add(each.devices);
        ASSERT_FALSE(added);
        EXPECT_THAT(added.error().text(), HasSubstr(each.why));
        EXPECT_THAT(ids(), ElementsAre("com", "spare"));
        EXPECT_EQ(living, 2);
        EXPECT_THAT(manager->registry().links(), IsEmpty());
        EXPECT_EQ(in(0x100), 0xffU);
        EXPECT_EQ(in(0x101), 0xffU);
        EXPECT_EQ(in(0x2f8), 0xeeU) << "the others answer as before";
        out(0x3f8, 1);
        EXPECT_EQ(in(0x3f8), 0xeeU);
    }
}

TEST_F(DeviceManagerTest, AFailedStartStopsThoseThatHadStarted) {
    ASSERT_FALSE(add({device("a", "desk"), device("b", "desk"), device("c", "desk", 0, Fault::start)}));
    EXPECT_THAT(journal.take(), ElementsAre("create a", "create b", "create c", "start a", "start b",
                                            "quiesce a", "quiesce b", "destroy c", "destroy b", "destroy a"));
}

TEST_F(DeviceManagerTest, ABackendThatComesLaterIsJoinedWhileTheFrontendHoldsStill) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8)}));
    out(0x3f8, 7);
    EXPECT_EQ(in(0x3f8), 0xeeU);
    static_cast<void>(journal.take());
    ASSERT_TRUE(add({linked(device("con", "clerk"), "com")}));
    EXPECT_THAT(journal.take(), ElementsAre("create con", "quiesce com", "connect com", "connect con",
                                            "start con", "resume com"));
    out(0x3f8, 7);
    EXPECT_EQ(in(0x3f8), 8U);
    EXPECT_TRUE(manager->find("com")->lock().same_group(manager->find("con")->lock()));
    EXPECT_EQ(&manager->find("com")->loop(), &manager->find("con")->loop());
}

TEST_F(DeviceManagerTest, RemovalNamesTheDependentsOrTakesThemToo) {
    ASSERT_TRUE(add({device("com", "needy-desk", 0x3f8), linked(device("con", "needy-clerk"), "com"),
                     device("aux", "desk", 0x2f8), linked(device("log", "clerk"), "aux")}));
    for (const char* id : {"com", "con"}) {
        const auto removed = manager->remove(id, false);
        ASSERT_FALSE(removed);
        EXPECT_THAT(removed.error().text(),
                    HasSubstr(std::string("needed by \"") + (id[2] == 'm' ? "con" : "com")));
    }
    ASSERT_TRUE(manager->remove("con", true));
    EXPECT_THAT(ids(), ElementsAre("aux", "log"));
    EXPECT_EQ(in(0x3f8), 0xffU);

    static_cast<void>(journal.take());
    ASSERT_TRUE(manager->remove("log", false)) << "both ports are optional";
    EXPECT_THAT(journal.take(), ElementsAre("quiesce aux", "quiesce log", "disconnect log", "disconnect aux",
                                            "destroy log", "resume aux"));
    out(0x2f8, 1);
    EXPECT_EQ(in(0x2f8), 0xeeU);
    EXPECT_THAT(manager->remove("auxx", false).error().text(), HasSubstr("did you mean \"aux\""));
}

TEST_F(DeviceManagerTest, AnIdAndItsResourcesAreFreeAgainAfterRemoval) {
    for (int round = 0; round < 50; ++round) {
        ASSERT_TRUE(add({device("com", "desk", 0x3f8), linked(device("con", "clerk"), "com")})) << round;
        out(0x3f8, static_cast<std::uint8_t>(round));
        EXPECT_EQ(in(0x3f8), static_cast<std::uint64_t>(round + 1));
        ASSERT_TRUE(manager->remove("com", true));
        ASSERT_TRUE(manager->remove("con", true));
    }
    EXPECT_EQ(living, 0);
    EXPECT_THAT(manager->registry().links(), IsEmpty());
}

TEST_F(DeviceManagerTest, ConnectAndDisconnectWhileRunning) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8), device("aux", "desk", 0x2f8), device("con", "clerk")}));
    EXPECT_FALSE(manager->find("com")->lock().same_group(manager->find("con")->lock()));
    ASSERT_TRUE(manager->connect("con", 0, "com", {}));
    EXPECT_TRUE(manager->find("com")->lock().same_group(manager->find("con")->lock()));
    out(0x3f8, 4);
    EXPECT_EQ(in(0x3f8), 5U);
    EXPECT_THAT(manager->connect("con", 0, "aux", {}).error().text(),
                HasSubstr("is connected to device \"com\""));
    ASSERT_TRUE(manager->disconnect("com", 0)) << "from either end";
    EXPECT_FALSE(manager->find("com")->lock().same_group(manager->find("con")->lock()));
    ASSERT_TRUE(manager->connect("con", 0, "aux", {}));
    out(0x2f8, 9);
    EXPECT_EQ(in(0x2f8), 10U);
    EXPECT_THAT(manager->disconnect("com", 0).error().text(), HasSubstr("not connected"));
    EXPECT_THAT(manager->disconnect("com", 7).error().text(), HasSubstr("not connected"));
    EXPECT_THAT(manager->connect("con", 3, "com", {}).error().text(), HasSubstr("no backend port 3"));
    EXPECT_THAT(manager->connect("com", 0, "aux", {}).error().text(), HasSubstr("no backend port 0"));
}

TEST_F(DeviceManagerTest, ADeviceThatWillNotHoldStillStaysAndSoDoesEverythingElse) {
    ASSERT_TRUE(
        add({device("com", "desk", 0x3f8), linked(device("con", "clerk", 0, Fault::quiesce), "com")}));
    for (const auto& refused : {manager->remove("con", true), manager->remove("com", true),
                                manager->disconnect("com", 0), manager->reset("con")}) {
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().text(), HasSubstr("could not be quiesced"));
        out(0x3f8, 1);
        EXPECT_EQ(in(0x3f8), 2U);
    }
}

TEST_F(DeviceManagerTest, ResetOfOneDeviceLeavesTheOthersAlone) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8), device("aux", "desk", 0x2f8)}));
    out(0x3f8, 1);
    out(0x2f8, 1);
    static_cast<void>(journal.take());
    ASSERT_TRUE(manager->reset("com"));
    EXPECT_THAT(journal.take(), ElementsAre("quiesce com", "reset com", "resume com"));
    EXPECT_EQ(in(0x3f8), 0U);
    EXPECT_EQ(in(0x2f8), 0xeeU);
}

TEST_F(DeviceManagerTest, ChangesFromInsideACallbackAreRefused) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8), device("aux", "desk")}));
    Device& com = *manager->find("com");
    const std::lock_guard inside(com.lock());
    for (const auto& refused :
         {manager->remove("com", true), manager->remove("aux", true), manager->reset("aux"),
          add({device("new", "desk")}), manager->disconnect("com", 0)}) {
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().text(), HasSubstr("inside a callback of device \"com\""));
    }
}

TEST_F(DeviceManagerTest, NamesOfAnyLengthAndAnyBytes) {
    std::string any;
    for (int byte = 1; byte < 256; ++byte)
        any.push_back(static_cast<char>(byte));
    std::vector<std::string> names{
        "", std::string(31, 'a'), std::string(32, 'a'), std::string(33, 'a'), std::string(10'000, 'a'), any};
    for (const auto& name : names) {
        ASSERT_TRUE(add({device(name, "desk"), linked(device(name + "!", "clerk"), name)}));
    }
    for (const auto& name : names) {
        ASSERT_NE(manager->find(name), nullptr);
        EXPECT_EQ(manager->find(name)->id(), name);
        EXPECT_FALSE(add({device(name, "desk")})) << "each is taken";
    }
    for (const auto& name : names)
        ASSERT_TRUE(manager->remove(name, true));
    EXPECT_EQ(living, static_cast<int>(names.size())) << "the clerks need no desk";
}

TEST_F(DeviceManagerTest, TenThousandDevices) {
    std::vector<DeviceConfig> many;
    for (int i = 0; i < 10'000; ++i)
        many.push_back(device("d" + std::to_string(i), "desk", static_cast<std::uint16_t>(i + 1)));
    ASSERT_TRUE(add(many));
    out(10'000, 1);
    EXPECT_EQ(in(10'000), 0xeeU);
    ASSERT_TRUE(manager->remove("d9999", false));
    EXPECT_EQ(in(10'000), 0xffU);
}

// Added, joined, looked up, listed and removed one by one. The bound is generous, but no square of ten thousand with a
// search through texts in it fits.
TEST_F(DeviceManagerTest, TenThousandDevicesInPairs) {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<DeviceConfig> many;
    for (int i = 0; i < 5'000; ++i) {
        const std::string id = std::to_string(i);
        many.push_back(device("com" + id, "desk", static_cast<std::uint16_t>(i + 1)));
        many.push_back(linked(device("con" + id, "clerk"), "com" + id));
    }
    ASSERT_TRUE(add(many));
    EXPECT_EQ(manager->registry().links().size(), 5'000U);
    out(5'000, 1);
    EXPECT_EQ(in(5'000), 2U);
    EXPECT_EQ(describe(*manager).devices.size(), 10'000U);
    for (const DeviceConfig& each : many) {
        ASSERT_NE(manager->find(each.id), nullptr);
        ASSERT_TRUE(manager->remove(each.id, false));
    }
    EXPECT_TRUE(manager->devices().empty());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

// NUL ends a name for a plugin only: the manager tells such ids apart.
TEST_F(DeviceManagerTest, NamesWithNulDotsAndQuotes) {
    using namespace std::string_literals;
    const std::vector<std::string> names{"a\0b"s, "a"s,     "a\0"s,      "a.b"s,    "a."s,
                                         ".a"s,   "\"a\""s, "\xff\xfe"s, "\x1b[2J"s};
    for (const auto& name : names)
        ASSERT_TRUE(add({device(name, "desk")})) << name;
    for (const auto& name : names) {
        ASSERT_NE(manager->find(name), nullptr);
        ASSERT_TRUE(add({device(name + "-con", "clerk")}));
        ASSERT_TRUE(manager->connect(name + "-con", 0, name, {})) << name;
        EXPECT_EQ(manager->registry().link_at(*manager->find(name), 0)->backend().device->id(),
                  name + "-con");
    }
    for (const auto& text : {tree_text(describe(*manager)), tree_graphviz(describe(*manager))})
        EXPECT_TRUE(std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= ' ' && c < 0x7f); }));
    for (const auto& name : names)
        ASSERT_TRUE(manager->remove(name, true));
}

} // namespace
} // namespace plugbay::core
