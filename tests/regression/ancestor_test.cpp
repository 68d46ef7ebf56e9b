// The faults of the device managers before this one, each provably absent: one named test a fault. What is about saving
// and restoring is in ancestor_state_test.cpp.
#include "tests/unit/machine/manager_fixture.hpp"

#include "core/machine/device_tree.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// --- creating and finding

using AncestorCreate = ManagerTest;

TEST_F(AncestorCreate, AnyStatusButOkIsAFailure) {
    for (const plugbay_status status :
         {PLUGBAY_FAILED, PLUGBAY_INVALID, PLUGBAY_PENDING, plugbay_status{7}}) {
        Script script;
        script.create = [&](const plugbay_host*) { return status; };
        const auto device = make("x");
        EXPECT_FALSE(create(*device, script)) << status;
    }
}

TEST_F(AncestorCreate, AFailedDeviceLeavesNoHalfDeviceHooksOrFrontends) {
    ASSERT_FALSE(add({device("com", "desk", 0x3f8), device("bad", "clerk", 0x200, Fault::create)}));
    EXPECT_THAT(manager->devices(), IsEmpty());
    EXPECT_EQ(in(0x3f8), 0xffU);
    EXPECT_THAT(add({linked(device("con", "clerk"), "com")}).error().text(),
                HasSubstr("\"com\", which does not exist"));
    EXPECT_TRUE(add({device("com", "desk", 0x3f8)}));
}

TEST_F(AncestorCreate, SuccessWithoutADeviceIsNoticed) {
    Script script;
    script.give_instance = false;
    const auto device = make("x");
    EXPECT_THAT(create(*device, script).error().text(), HasSubstr("gave no instance"));
}

TEST_F(AncestorCreate, WhatIsNotThereIsNotFound) {
    EXPECT_EQ(manager->find(""), nullptr);
    EXPECT_EQ(manager->find("nobody"), nullptr);
    EXPECT_THAT(manager->remove("nobody", true).error().text(), HasSubstr("no device \"nobody\""));
}

// --- adding

using AncestorAdd = ManagerTest;

TEST_F(AncestorAdd, ADuplicateIdIsRefusedAndShadowsNobody) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8)}));
    out(0x3f8, 1);
    EXPECT_THAT(add({device("com", "desk", 0x2f8)}).error().text(), HasSubstr("\"com\" already"));
    EXPECT_EQ(in(0x3f8), 0xeeU);
    EXPECT_EQ(in(0x2f8), 0xffU);
}

TEST_F(AncestorAdd, NamesAroundThirtyTwoCharactersAreKeptWhole) {
    const std::array<std::size_t, 4> lengths{31, 32, 33, 10'000};
    for (const std::size_t length : lengths)
        ASSERT_TRUE(add({device(std::string(length, 'n'), "desk")})) << length;
    for (const std::size_t length : lengths) {
        ASSERT_NE(manager->find(std::string(length, 'n')), nullptr) << length;
        EXPECT_EQ(manager->find(std::string(length, 'n'))->id().size(), length);
    }
}

// --- removing

using AncestorRemove = ManagerTest;

TEST_F(AncestorRemove, SucceedsWithSuccessAndTheDeviceIsNotFoundAgain) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8)}));
    EXPECT_TRUE(manager->remove("com", false));
    EXPECT_EQ(manager->find("com"), nullptr);
    EXPECT_FALSE(manager->remove("com", false));
    EXPECT_EQ(living, 0);
}

TEST_F(AncestorRemove, ItsFrontendsGoWithIt) {
    ASSERT_TRUE(add({device("com", "desk"), device("con", "clerk")}));
    ASSERT_TRUE(manager->remove("com", false));
    EXPECT_THAT(manager->connect("con", 0, "com", {}).error().text(), HasSubstr("does not exist"));
}

TEST_F(AncestorRemove, AFrontendForgetsARemovedBackend) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8), linked(device("con", "clerk"), "com")}));
    static_cast<void>(journal.take());
    ASSERT_TRUE(manager->remove("con", false));
    EXPECT_THAT(journal.take(), Contains("disconnect com")) << "it is told";
    out(0x3f8, 1);
    EXPECT_EQ(in(0x3f8), 0xeeU) << "it knows that nobody is there";
    ASSERT_TRUE(add({linked(device("con", "clerk"), "com")}));
    out(0x3f8, 1);
    EXPECT_EQ(in(0x3f8), 2U);
}

TEST_F(AncestorRemove, EveryKindOfResourceIsGivenBack) {
    Script script;
    script.create = [&](const plugbay_host* host) {
        const auto table = [&]<typename Table>(const char* id, const Table*) {
            return static_cast<const Table*>(host->extension(host, id));
        };
        const auto* access = table(PLUGBAY_ACCESS, static_cast<const plugbay_access_host*>(nullptr));
        const auto* timer = table(PLUGBAY_TIMER, static_cast<const plugbay_timer_host*>(nullptr));
        const auto* bell = table(PLUGBAY_DOORBELL, static_cast<const plugbay_doorbell_host*>(nullptr));
        plugbay_handle handle{};
        EXPECT_EQ(access->map_ports(host, 0x100, 8, 0, &handle), PLUGBAY_OK);
        EXPECT_EQ(access->map_memory(host, 0xd000'0000, 0x1000, 0, &handle), PLUGBAY_OK);
        EXPECT_EQ(bell->create(host, handle, 0, 4, PLUGBAY_DOORBELL_ANY_VALUE, 0, 0, &handle), PLUGBAY_OK);
        EXPECT_EQ(timer->create(host, PLUGBAY_CLOCK_GUEST, 0, &handle), PLUGBAY_OK);
        return PLUGBAY_OK;
    };
    for (int round = 0; round < 3; ++round) { // what leaked would be in the way
        const auto device = make("x");
        ASSERT_TRUE(create(*device, script));
        EXPECT_EQ(platform.latches().size(), 1U);
    }
    EXPECT_THAT(platform.latches(), IsEmpty());
}

// --- resources

using AncestorResources = ManagerTest;

TEST_F(AncestorResources, TwoDevicesNeverOverlapSilently) {
    const auto added = add({device("one", "desk", 0x100), device("two", "desk", 0x100)});
    ASSERT_FALSE(added);
    EXPECT_THAT(added.error().text(), HasSubstr("device \"two\""));
    EXPECT_THAT(added.error().text(), HasSubstr("of device \"one\""));
}

// --- registries

using AncestorRegistry = ManagerTest;

TEST_F(AncestorRegistry, TheNameIsCopied) {
    auto config = std::make_unique<DeviceConfig>(device("com", "desk", 0x3f8));
    ASSERT_TRUE(add({*config}));
    config->id.assign(config->id.size(), 'x');
    config.reset();
    EXPECT_TRUE(add({linked(device("con", "clerk"), "com")}));
}

TEST_F(AncestorRegistry, AMissingFrontendIsAnErrorAndTheBackendIsNotThere) {
    EXPECT_THAT(add({linked(device("con", "clerk"), "com")}).error().text(), HasSubstr("does not exist"));
    EXPECT_EQ(manager->find("con"), nullptr);
}

TEST_F(AncestorRegistry, ABackendListedBeforeItsFrontendIsConnected) {
    ASSERT_TRUE(add({linked(device("con", "clerk"), "com"), device("com", "desk", 0x3f8)}));
    out(0x3f8, 1);
    EXPECT_EQ(in(0x3f8), 2U);
}

TEST_F(AncestorRegistry, ASecondBackendDoesNotReplaceTheFirst) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8), linked(device("con", "clerk"), "com")}));
    EXPECT_THAT(add({linked(device("other", "clerk"), "com")}).error().text(),
                HasSubstr("is connected to device \"con\""));
    EXPECT_EQ(manager->registry().link_at(*manager->find("com"), 0)->backend().device, manager->find("con"));
}

TEST_F(AncestorRegistry, ALinkCanBeCalledAtAnyTimeAndBeforeItIsThere) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8)}));
    out(0x3f8, 1); // writes to a backend that has never been
    EXPECT_EQ(in(0x3f8), 0xeeU);
}

// A type that has just this port.
struct OnePort {
    OnePort(std::uint32_t role, const char* interface)
        : port{sizeof(plugbay_port), role, 0, 0, interface, nullptr, nullptr}, type(scripted::make_type()) {
        type.ports = ports;
        type.port_count = 1;
    }
    OnePort(const OnePort&) = delete;
    OnePort& operator=(const OnePort&) = delete;

    const plugbay_port port;
    const plugbay_port* const ports[1] = {&port};
    plugbay_device_type type;
};

// Two devices of one port each, which try to meet.
class AncestorInterfaces : public DeviceTest {
  protected:
    [[nodiscard]] Result<void> join(const char* offered, const char* wanted) {
        const OnePort frontend_type(PLUGBAY_PORT_FRONTEND, offered);
        const OnePort backend_type(PLUGBAY_PORT_BACKEND, wanted);
        calls = 0;
        Script frontend;
        Script backend;
        const auto told = [&](std::uint64_t, const plugbay_link*) {
            ++calls;
            return PLUGBAY_OK;
        };
        frontend.connected = told;
        backend.connected = told;
        const auto front = make("front", frontend_type.type);
        const auto back = make("back", backend_type.type);
        if (auto made = create(*front, frontend); !made) return made;
        if (auto made = create(*back, backend); !made) return made;
        Registry registry;
        if (auto done = registry.offer(*front); !done) return done;
        auto joined = registry.connect(*back, 0, "front", {});
        registry.withdraw(*back);
        registry.withdraw(*front);
        return joined;
    }
    int calls = 0; // ends that were told of a link
};

TEST_F(AncestorInterfaces, ANameInAnotherRegistryIsNotLikeNoName) {
    EXPECT_THAT(join("blk/1", "char/1").error().text(),
                HasSubstr("\"back\" is a char/1 backend, but \"front\" is a blk/1 frontend"));
    EXPECT_EQ(calls, 0);
}

TEST_F(AncestorInterfaces, AConsoleIsNotTakenForSomethingElse) {
    for (const char* other : {"char/1", "net/1", "blk/1", "console/2"}) {
        EXPECT_FALSE(join("console/1", other)) << other;
        EXPECT_FALSE(join(other, "console/1")) << other;
    }
    EXPECT_EQ(calls, 0);
    EXPECT_TRUE(join("console/1", "console/1"));
}

TEST_F(AncestorInterfaces, OneRegistryServesEveryInterfaceThoseOfStrangersToo) {
    for (const char* interface : {"char/1", "blk/1", "net/1", "console/1", "org.example.laser/3"}) {
        const auto joined = join(interface, interface);
        EXPECT_TRUE(joined) << interface << ": " << joined.error().text();
        EXPECT_EQ(calls, 2) << interface;
    }
}

TEST_F(AncestorInterfaces, ADuplicateFrontendIsRefusedAndTheFirstKeepsItsName) {
    const OnePort frontend_type(PLUGBAY_PORT_FRONTEND, "char/1");
    const OnePort backend_type(PLUGBAY_PORT_BACKEND, "char/1");
    Script first;
    Script second;
    const auto one = make("com", frontend_type.type);
    const auto other = make("com", frontend_type.type);
    ASSERT_TRUE(create(*one, first));
    ASSERT_TRUE(create(*other, second));
    Registry registry;
    ASSERT_TRUE(registry.offer(*one));
    EXPECT_THAT(registry.offer(*other).error().text(), HasSubstr("\"com\""));
    Script backend;
    const auto back = make("con", backend_type.type);
    ASSERT_TRUE(create(*back, backend));
    ASSERT_TRUE(registry.connect(*back, 0, "com", {}));
    EXPECT_EQ(registry.link_at(*back, 0)->frontend().device, one.get());
    registry.withdraw(*back);
    registry.withdraw(*one);
}

// Both ends keep what they were given, and may look at it until they have been told.
TEST_F(AncestorInterfaces, AKeptLinkLeadsNowhereOnceItHasEnded) {
    const OnePort frontend_type(PLUGBAY_PORT_FRONTEND, "char/1");
    const OnePort backend_type(PLUGBAY_PORT_BACKEND, "char/1");
    Script frontend;
    Script backend;
    std::vector<const plugbay_link*> kept;
    frontend.connected = backend.connected = [&](std::uint64_t, const plugbay_link* link) {
        kept.push_back(link);
        return PLUGBAY_OK;
    };
    int empty = 0;
    const auto count = [&](std::uint64_t) {
        for (const plugbay_link* link : kept)
            empty += link->table == nullptr ? 1 : 0;
    };
    frontend.disconnected = backend.disconnected = count;
    const auto front = make("com", frontend_type.type);
    const auto back = make("con", backend_type.type);
    ASSERT_TRUE(create(*front, frontend));
    ASSERT_TRUE(create(*back, backend));
    Registry registry;
    ASSERT_TRUE(registry.offer(*front));
    ASSERT_TRUE(registry.connect(*back, 0, "com", {}));
    ASSERT_EQ(kept.size(), 2U);
    EXPECT_NE(kept[0]->table, nullptr);
    EXPECT_NE(kept[1]->table, nullptr);
    registry.disconnect(*registry.link_at(*back, 0));
    EXPECT_EQ(empty, 4) << "neither end may be called while the first is told";
    registry.withdraw(*front);
}

// --- teardown and the rest

using AncestorTeardown = ManagerTest;

TEST_F(AncestorTeardown, FreesEveryDeviceNewestFirst) {
    ASSERT_TRUE(add({device("a", "desk"), device("b", "desk"), device("c", "desk")}));
    static_cast<void>(journal.take());
    manager.reset();
    EXPECT_THAT(journal.take(),
                ElementsAre("quiesce a", "quiesce b", "quiesce c", "destroy c", "destroy b", "destroy a"));
    EXPECT_EQ(living, 0);
}

TEST_F(AncestorTeardown, NoTableStillKnowsWhatWasThere) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8), linked(device("con", "clerk", 0x2f8), "com")}));
    out(0x3f8, 1);
    manager.reset();
    EXPECT_EQ(in(0x3f8), 0xffU);
    EXPECT_EQ(in(0x2f8), 0xffU);
}

TEST_F(AncestorTeardown, AChangeFromInsideACallbackIsNoticed) {
    ASSERT_TRUE(add({device("com", "desk", 0x3f8)}));
    const std::lock_guard inside(manager->find("com")->lock());
    EXPECT_THAT(manager->remove("com", false).error().text(), HasSubstr("callback"));
    EXPECT_THAT(add({device("aux", "desk")}).error().text(), HasSubstr("callback"));
    EXPECT_THAT(ids(), ElementsAre("com"));
}

TEST_F(AncestorTeardown, EveryErrorSaysWhatAndWhatToDo) {
    ASSERT_TRUE(add({device("com", "needy-desk", 0x3f8), linked(device("con", "clerk"), "com")}));
    const std::vector<Error> errors{
        add({device("com", "desk")}).error(), manager->remove("cim", false).error(),
        manager->remove("con", false).error(), add({linked(device("two", "clerk"), "com")}).error()};
    for (const Error& error : errors) {
        EXPECT_GT(error.message.size(), 10U);
        EXPECT_FALSE(error.hint.empty()) << error.message;
    }
}

TEST_F(AncestorTeardown, TheListingCountsEveryDevice) {
    ASSERT_TRUE(add({device("com", "desk"), linked(device("con", "clerk"), "com"), device("aux", "desk")}));
    EXPECT_EQ(describe(*manager).devices.size(), 3U);
    ASSERT_TRUE(manager->remove("aux", false));
    EXPECT_EQ(describe(*manager).devices.size(), 2U);
}

} // namespace
} // namespace plugbay::core
