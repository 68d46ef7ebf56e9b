// Builds that crash on probation: what the guest asked of them is done by the build before.
#include "tests/unit/machine/swap_fixture.hpp"

#include <thread>

namespace plugbay::core {
namespace {

using namespace std::chrono_literals;

using ProbationTest = SwapTest;

// The access in which a build crashes, and all that come before the other build is there again, are made on that one.
TEST_F(ProbationTest, ACrashOnProbationLosesNoAccess) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    add_meter();
    Presence own;
    bus.presences().add(own);
    std::atomic<bool> stop{false};
    std::uint32_t written = 0;
    std::thread guest([&] {
        own.belongs_to_this_thread();
        while (!stop) {
            bus.write_port(own, port, 1, 1);
            ++written;
        }
    });
    for (int i = 0; i < 20; ++i) {
        std::atomic<bool> crashed{false};
        auto bad = meter_build(build_of<Meter<2, Flaw::crash>>());
        bad.crashed = [&] { crashed = true; };
        ASSERT_TRUE(swap({bad}));
        while (!crashed)
            std::this_thread::yield();
        EXPECT_EQ(manager->find("meter")->crash(), "it crashed (SIGSEGV) in a guest's write");
        const auto back = swap_meter<Meter<1>>();
        ASSERT_TRUE(back) << back.error().text();
        living -= 1; // the crashed one is never destroyed
    }
    stop = true;
    guest.join();
    bus.presences().remove(own);
    EXPECT_EQ(in(port), written % 256);
    EXPECT_EQ(in(port + 1), 1u);
    EXPECT_EQ(broken_rules, 0);
}

// And with what the guest passed.
TEST_F(ProbationTest, ACrashInAHypercallOnProbationLosesNothing) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    add_meter();
    Presence own;
    bus.presences().add(own);
    std::atomic<bool> crashed{false};
    auto bad = meter_build(build_of<Meter<2, Flaw::crash>>());
    bad.crashed = [&] { crashed = true; };
    ASSERT_TRUE(swap({bad}));
    plugbay_hypercall_registers registers{};
    registers.size = sizeof registers;
    registers.number = call;
    registers.rbx = 6;
    std::thread guest([&] {
        own.belongs_to_this_thread();
        bus.hypercalls().call(own, registers);
    });
    while (!crashed)
        std::this_thread::yield();
    EXPECT_TRUE(swap_meter<Meter<1>>());
    guest.join();
    living -= 1; // the crashed one is never destroyed
    bus.presences().remove(own);
    EXPECT_EQ(registers.rbx, 7u);
    EXPECT_EQ(registers.rax, 7u);
    EXPECT_EQ(broken_rules, 0);
}

// However long the other build takes, unless the thread is to stand still: then who brings it may be waiting for the thread.
TEST_F(ProbationTest, AnAccessThatCrashedWaitsForTheOtherBuild) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    add_meter();
    out(port, 1);
    out(port, 1);
    out(port, 1);
    for (const bool stands_still : {false, true}) {
        Presence own;
        bus.presences().add(own);
        std::atomic<bool> crashed{false};
        std::atomic<bool> written{false};
        auto bad = meter_build(build_of<Meter<2, Flaw::crash>>());
        bad.crashed = [&] { crashed = true; };
        ASSERT_TRUE(swap({bad}));
        std::thread guest([&] {
            own.belongs_to_this_thread();
            for (std::uint32_t i = 0; i < 7 && !crashed; ++i) // the one in which it crashes is among them
                bus.write_port(own, port, 1, 1);
            written = true;
        });
        while (!crashed)
            std::this_thread::yield();
        if (stands_still) {
            own.hurry(true);
        } else {
            std::this_thread::sleep_for(1500ms);
            EXPECT_FALSE(written);
            ASSERT_TRUE(swap_meter<Meter<1>>());
        }
        guest.join();
        if (stands_still) {
            ASSERT_TRUE(swap_meter<Meter<1>>());
        }
        living -= 1; // the crashed one is never destroyed
        bus.presences().remove(own);
        EXPECT_EQ(in(port), stands_still ? 10u : 4u);
    }
}

TEST_F(ProbationTest, ACrashInDestroyOnProbationCostsNothing) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    add_meter();
    auto bad = meter_build(build_of<Meter<2, Flaw::crash_in_destroy>>());
    bad.crashed = [] {};
    ASSERT_TRUE(swap({bad}));
    out(port, 1);
    const auto back = swap_meter<Meter<1>>();
    ASSERT_TRUE(back) << back.error().text();
    living -= 1; // the crashed one counts still
    EXPECT_EQ(in(port), 1u);
    EXPECT_EQ(in(port + 1), 1u);
}

} // namespace
} // namespace plugbay::core
