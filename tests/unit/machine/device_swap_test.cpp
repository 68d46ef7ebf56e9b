// Another build behind a device that runs: what it gets, when, and that a failure leaves everything as it was.
#include "tests/unit/machine/swap_fixture.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace plugbay::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

TEST_F(SwapTest, TheNewBuildGoesOnWhereTheOldOneWas) {
    add_meter();
    out(port, 1);
    out(port, 1);
    out(port, 1);
    const auto done = swap_meter<Meter<2>>();
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(in(port), 3u);
    EXPECT_EQ(in(port + 1), 2u);
    EXPECT_THAT(journal.take(), ElementsAre("create meter/2", "quiesce meter/1", "load meter/2",
                                            "resume meter/2", "destroy meter/1"));
    EXPECT_EQ(living, 1);
    // And on, back, and gone.
    out(port, 1);
    ASSERT_TRUE(swap_meter<Meter<1>>());
    EXPECT_EQ(in(port), 4u);
    EXPECT_EQ(in(port + 1), 1u);
    ASSERT_TRUE(manager->remove("meter", false));
    EXPECT_EQ(in(port), 0xffu);
}

TEST_F(SwapTest, StepsAreToldWithTheirTimes) {
    add_meter();
    ASSERT_TRUE(swap_meter<Meter<2>>());
    std::vector<std::string> names;
    for (const auto& each : swaps.entries())
        names.emplace_back(step_name(each.step));
    EXPECT_THAT(names, ElementsAre("prepare", "quiesce", "connect", "save", "load", "validate", "switch",
                                   "resume", "reclaim"));
    EXPECT_GT(swaps.pause(), 0u);
    EXPECT_LT(swaps.pause(), 1'000'000'000u);
    EXPECT_EQ(manager->find("meter")->pauses().count, 1u);
}

// What a build does with the guest's things before it is its turn must not reach the guest.
// What a doorbell latches reaches no other build, so it latches nothing before its build serves, and does not go with one.
TEST_F(SwapTest, ADoorbellComesWithItsBuildAndStays) {
    ASSERT_TRUE(add({{.id = "bell", .type = "bell"}}));
    const auto swap_bell = [&](LoadedType type) {
        return swap({{.id = "bell", .type = std::move(type), .properties = {}}});
    };
    const auto refused = swap_bell(build_of<Bell<true, false>>());
    ASSERT_FALSE(refused);
    EXPECT_EQ(swaps.last(), SwapStep::load);
    EXPECT_EQ(platform.all_latches(), 0U);
    ASSERT_TRUE(swap_bell(build_of<Bell<true>>()));
    EXPECT_EQ(platform.latches().size(), 1U);
    const auto without = swap_bell(build_of<Bell<false>>());
    ASSERT_FALSE(without);
    EXPECT_EQ(swaps.last(), SwapStep::validate);
    EXPECT_THAT(without.error().text(), HasSubstr("does not ask for doorbell at offset 0x0"));
    EXPECT_EQ(platform.latches().size(), 1U);
    EXPECT_EQ(platform.all_latches(), 1U);
}

TEST_F(SwapTest, TheLineKeepsItsLevelThroughout) {
    add_meter();
    out(port, 1);
    ASSERT_EQ(platform.level(5), true);
    const auto before = platform.levels();
    ASSERT_TRUE(swap_meter<Meter<2>>());
    EXPECT_EQ(platform.levels(), before);
    out(port, 1);
    EXPECT_EQ(platform.level(5), false);
}

TEST_F(SwapTest, TimersOfABuildThatIsNotTakenNeverFire) {
    add_meter();
    EXPECT_FALSE((swap_meter<Meter<2, Flaw::load>>()));
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ((Meter<2, Flaw::load>::expired_), 0);
    ASSERT_TRUE(swap_meter<Meter<2>>());
    for (int i = 0; i < 1000 && Meter<2>::expired_ == 0; ++i)
        std::this_thread::sleep_for(1ms);
    EXPECT_EQ(Meter<2>::expired_, 1);
}

TEST_F(SwapTest, AFrontendKeepsItsBackend) {
    add_meter(true);
    out(port, 1);
    ASSERT_TRUE(swap_meter<Meter<2>>());
    out(port, 1);
    EXPECT_EQ(Echo<1>::served, 2);
    ASSERT_TRUE(manager->disconnect("meter", 0));
    out(port, 1);
    EXPECT_EQ(Echo<1>::served, 2);
    EXPECT_THAT(journal.take(), ::testing::Contains("disconnect meter/2"));
}

TEST_F(SwapTest, ABackendKeepsItsFrontend) {
    add_meter(true);
    out(port, 1);
    ASSERT_TRUE(swap({{.id = "echo", .type = build_of<Echo<2>>(), .properties = {}}}));
    out(port, 1);
    EXPECT_EQ(Echo<1>::served, 1);
    EXPECT_EQ(Echo<2>::served, 1);
    EXPECT_EQ(manager->registry().links().size(), 1u);
    ASSERT_TRUE(manager->remove("echo", true));
    out(port, 1);
    EXPECT_EQ(in(port), 3u);
}

TEST_F(SwapTest, BothEndsOfALinkAtOnce) {
    add_meter(true);
    out(port, 1);
    const auto done = swap(
        {meter_build(build_of<Meter<2>>()), {.id = "echo", .type = build_of<Echo<2>>(), .properties = {}}});
    ASSERT_TRUE(done) << done.error().text();
    out(port, 1);
    EXPECT_EQ(Echo<1>::served, 1);
    EXPECT_EQ(Echo<2>::served, 1);
    EXPECT_EQ(in(port + 1), 2u);
    EXPECT_EQ(manager->configs().back().link->frontend_device, "meter");
    // The names are the successors'.
    ASSERT_TRUE(manager->disconnect("echo", 0));
    ASSERT_TRUE(manager->connect("echo", 0, "meter", {}));
    out(port, 1);
    EXPECT_EQ(Echo<2>::served, 2);
}

TEST_F(SwapTest, OneDeviceIsReplacedOnce) {
    add_meter();
    const auto done = swap({meter_build(build_of<Meter<2>>()), meter_build(build_of<Meter<2>>())});
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().text(), HasSubstr("replaced twice"));
    EXPECT_EQ(in(port + 1), 1u);
    EXPECT_EQ(living, 1);
}

TEST_F(SwapTest, OtherPropertiesAreTheNewConfiguration) {
    add_meter();
    auto replacement = meter_build(build_of<Meter<2>>());
    replacement.properties[0].given = false;
    ASSERT_TRUE(swap({replacement}));
    EXPECT_FALSE(manager->configs().front().properties[0].given);
}

TEST_F(SwapTest, ASnapshotIsTheStateAndTheDeviceGoesOn) {
    add_meter();
    out(port, 1);
    const auto first = manager->snapshot("meter", 200ms);
    ASSERT_TRUE(first) << first.error().text();
    EXPECT_EQ(*manager->snapshot("meter", 200ms), *first);
    out(port, 1);
    EXPECT_NE(*manager->snapshot("meter", 200ms), *first);
    EXPECT_EQ(in(port), 2u);
}

TEST_F(SwapTest, NotFromInsideACallback) {
    add_meter();
    const std::lock_guard inside(manager->find("meter")->lock());
    EXPECT_FALSE(swap_meter<Meter<2>>());
    EXPECT_FALSE(manager->snapshot("meter", 200ms));
}

// --- failures: at which step, why, and that nothing has changed

struct FailingBuild {
    const char* name;
    LoadedType type;
    SwapStep step;
    const char* why;
};

class FailingSwap : public SwapTest, public ::testing::WithParamInterface<FailingBuild> {};

TEST_P(FailingSwap, LeavesTheOldBuildServing) {
    for (const bool with_echo : {false, true}) {
        SCOPED_TRACE(with_echo);
        if (GetParam().step == SwapStep::connect && !with_echo) continue;
        add_meter(with_echo);
        const int devices = living;
        out(port, 1);
        const auto levels = platform.levels();
        const auto done = swap({meter_build(GetParam().type)});
        ASSERT_FALSE(done);
        EXPECT_THAT(done.error().text(), HasSubstr(GetParam().why));
        EXPECT_EQ(step_name(swaps.last()), step_name(GetParam().step));
        EXPECT_EQ(platform.levels(), levels);
        EXPECT_EQ(living, devices);
        const int served = Echo<1>::served;
        out(port, 1);
        EXPECT_EQ(in(port), 2u);
        EXPECT_EQ(in(port + 1), 1u);
        EXPECT_EQ(Echo<1>::served, with_echo ? served + 1 : served);
        EXPECT_EQ(manager->find("meter")->phase(), Phase::running);
        ASSERT_TRUE(swap_meter<Meter<2>>());
        EXPECT_EQ(in(port + 1), 2u);
        ASSERT_TRUE(manager->remove("meter", true));
        if (with_echo) {
            ASSERT_TRUE(manager->remove("echo", true));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    Builds, FailingSwap,
    ::testing::Values(
        FailingBuild{"Create", build_of<Meter<3, Flaw::create>>(), SwapStep::prepare, "it was told to"},
        FailingBuild{"AnotherPort", build_of<Meter<3, Flaw::another_port>>(), SwapStep::prepare,
                     "0x308-0x309"},
        FailingBuild{"AnotherLine", build_of<Meter<3, Flaw::another_line>>(), SwapStep::prepare,
                     "interrupt line 6"},
        FailingBuild{"Connect", build_of<Meter<3, Flaw::connect>>(), SwapStep::connect, "not with that one"},
        FailingBuild{"Load", build_of<Meter<3, Flaw::load>>(), SwapStep::load, "it does not load"},
        FailingBuild{"Stateless", build_of<Meter<3, Flaw::stateless>>(), SwapStep::load, "no state"},
        FailingBuild{"NewerState", build_of<Meter<3, Flaw::newer_state>>(), SwapStep::load,
                     "version 1, and this build reads 2 to 2"},
        FailingBuild{"UnknownField", build_of<Meter<3, Flaw::unknown_field>>(), SwapStep::load,
                     "answers_heard"},
        FailingBuild{"NoPort", build_of<Meter<3, Flaw::no_port>>(), SwapStep::validate, "ports 0x300-0x301"}),
    [](const auto& build) { return build.param.name; });

// The build that runs is the one at fault.
TEST_F(SwapTest, ABuildThatCannotBeLeft) {
    services.quiesce_limit = 50ms; // for its removal in the end
    add_meter();
    ASSERT_TRUE((swap_meter<Meter<2, Flaw::never_still>>()));
    out(port, 1);
    const auto late = swap_meter<Meter<1>>();
    ASSERT_FALSE(late);
    EXPECT_EQ(swaps.last(), SwapStep::quiesce);
    EXPECT_THAT(late.error().text(), HasSubstr("did not end within 200ms"));
    EXPECT_EQ(in(port), 1u);
    EXPECT_EQ(manager->find("meter")->phase(), Phase::running);
    manager.reset();
    living -= 1; // it is pinned
}

TEST_F(SwapTest, ABuildThatDoesNotSaveIsNotLeftEither) {
    add_meter();
    // Loading runs state() too, so the flaw needs a state that was never loaded: the device is made from this build.
    std::vector<std::unique_ptr<IoLoop>> loops;
    loops.push_back(std::move(*IoLoop::create("swap")));
    manager.reset();
    manager = std::make_unique<DeviceManager>(
        services, [](std::string_view) -> Result<LoadedType> { return build_of<Meter<3, Flaw::save>>(); },
        std::move(loops));
    ASSERT_TRUE(add({meter_config()}));
    out(port, 1);
    const auto done = swap_meter<Meter<1>>();
    ASSERT_FALSE(done);
    EXPECT_EQ(swaps.last(), SwapStep::save);
    EXPECT_THAT(done.error().text(), HasSubstr("it does not save"));
    EXPECT_EQ(in(port), 1u);
    EXPECT_EQ(living, 1);
}

// --- under load

TEST_F(SwapTest, NoAccessIsLostOrSeesAnotherBuildsToken) {
    add_meter(true);
    constexpr int vcpus = 2;
    constexpr std::uint32_t rounds = 300;
    std::atomic<bool> stop{false};
    std::atomic<std::uint32_t> written{0};
    std::vector<std::thread> guests;
    std::array<Presence, vcpus> own;
    for (Presence& each : own)
        bus.presences().add(each);
    for (int i = 0; i < vcpus; ++i) {
        guests.emplace_back([&, i] {
            while (!stop) {
                bus.write_port(own[static_cast<std::size_t>(i)], port, 1, 1);
                ++written;
            }
        });
    }
    for (std::uint32_t i = 0; i < rounds; ++i) {
        const auto done = i % 3 == 0 ? swap_meter<Meter<2>>()
                          : i % 3 == 1
                              ? swap({{.id = "echo", .type = build_of<Echo<2>>(), .properties = {}}})
                              : swap({meter_build(build_of<Meter<1>>()),
                                      {.id = "echo", .type = build_of<Echo<1>>(), .properties = {}}});
        ASSERT_TRUE(done) << done.error().text();
    }
    stop = true;
    for (auto& each : guests)
        each.join();
    for (Presence& each : own)
        bus.presences().remove(each);
    EXPECT_EQ(in(port), written % 256);
    EXPECT_EQ(static_cast<std::uint32_t>(Echo<1>::served + Echo<2>::served), written.load());
    EXPECT_EQ(living, 2);
    EXPECT_EQ(broken_rules, 0);
}

} // namespace
} // namespace plugbay::core
