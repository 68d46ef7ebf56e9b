// What happens outside the guest while a device's build is replaced: each event is told once, in order, to whichever build
// serves.
#include "core/device/host_events.hpp"
#include "tests/crash.hpp"
#include "tests/unit/machine/manager_fixture.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace plugbay::core {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using namespace std::chrono_literals;

// What all builds together heard, as it came.
struct Heard {
    int build;
    std::uint32_t kind;
    std::int32_t x;
    std::uint32_t dropped;
};
class Ears {
  public:
    void note(const Heard& heard) {
        const std::lock_guard guard(mutex_);
        all_.push_back(heard);
    }
    [[nodiscard]] std::size_t count() {
        const std::lock_guard guard(mutex_);
        return all_.size();
    }
    // When there are `least`, at the latest in ten seconds.
    [[nodiscard]] std::vector<Heard> take(std::size_t least) {
        for (int i = 0; i < 10000 && count() < least; ++i)
            std::this_thread::sleep_for(1ms);
        std::this_thread::sleep_for(20ms); // for one too many
        const std::lock_guard guard(mutex_);
        return std::exchange(all_, {});
    }

  private:
    std::mutex mutex_;
    std::vector<Heard> all_;
};
Ears ears;
// Called by builds that are being created, while the one before serves, and that are being loaded, while everything holds
// still.
std::function<void()> before_the_pause;
std::function<void()> in_the_pause;

// How a build listens.
enum class Listens : std::uint8_t { from_create, from_resume, to_each_kind, until_it_crashes };

template <int build, Listens listens = Listens::from_create, bool loads = true>
class Listener {
  public:
    static constexpr plugbay::Type type{.name = "listener", .help = "Listens."};
    explicit Listener(plugbay::Host host) : host_(host) {
        ++living;
        if (listens == Listens::to_each_kind) {
            first_ = host.subscribe(PLUGBAY_EVENT_KEY);
            second_ = host.subscribe(PLUGBAY_EVENT_MOVE);
        } else if (listens != Listens::from_resume) {
            first_ = host.subscribe(PLUGBAY_EVENT_KEY | PLUGBAY_EVENT_MOVE);
        }
        if (before_the_pause) before_the_pause();
    }
    ~Listener() { --living; }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    void resume() {
        if (listens == Listens::from_resume && !first_)
            first_ = host_.subscribe(PLUGBAY_EVENT_KEY | PLUGBAY_EVENT_MOVE);
    }
    void reset() {}
    void on_host_event(std::uint64_t, const plugbay_host_event& event) {
        if (listens == Listens::until_it_crashes && event.x == 3) plugbay::crash();
        ears.note({build, event.kind, event.x, event.dropped});
    }
    void state(auto&) {}
    void loaded() {
        if (in_the_pause) in_the_pause();
        if (!loads) throw plugbay::Failure("it was told to", PLUGBAY_FAILED);
    }

  private:
    plugbay::Host host_;
    plugbay::HostEventSubscription first_;
    plugbay::HostEventSubscription second_;
};

template <typename Device>
LoadedType build_of() {
    return LoadedType{nullptr, &plugbay::detail::Glue<Device>::type};
}

class HostEventSwap : public ManagerTest {
  protected:
    HostEventSwap() {
        std::vector<std::unique_ptr<IoLoop>> loops;
        loops.push_back(std::move(*IoLoop::create("swap")));
        manager = std::make_unique<DeviceManager>(
            services, [this](std::string_view) -> Result<LoadedType> { return first; }, std::move(loops));
        static_cast<void>(ears.take(0));
        before_the_pause = {};
        in_the_pause = {};
    }
    void begin_with(LoadedType type) {
        first = std::move(type);
        ASSERT_TRUE(add({{.id = "ear", .type = "listener"}}));
    }
    Result<void> swap(DeviceManager::Replacement replacement) {
        SwapJournal journal;
        replacement.id = "ear";
        const std::vector<DeviceManager::Replacement> all{std::move(replacement)};
        auto done = manager->replace(all, journal, 2s);
        if (!done) return std::move(done).error();
        return {};
    }
    void key(std::int32_t x) { events.publish({PLUGBAY_EVENT_KEY, 0, x, 0, 0, 0}); }
    void move(std::int32_t x) { events.publish({PLUGBAY_EVENT_MOVE, 0, x, 0, 0, 0}); }

    LoadedType first;
};

auto heard(int build, std::int32_t x) {
    return AllOf(Field(&Heard::build, build), Field(&Heard::x, x), Field(&Heard::dropped, 0u));
}

TEST_F(HostEventSwap, WhatComesInThePauseIsForTheNewBuild) {
    begin_with(build_of<Listener<1>>());
    key(1);
    EXPECT_THAT(ears.take(1), ElementsAre(heard(1, 1)));
    in_the_pause = [&] {
        key(2);
        move(3);
    };
    ASSERT_TRUE(swap({.id = {}, .type = build_of<Listener<2>>(), .properties = {}}));
    key(4);
    EXPECT_THAT(ears.take(3), ElementsAre(heard(2, 2), heard(2, 3), heard(2, 4)));
}

TEST_F(HostEventSwap, WhatTheOldBuildHeardIsNotToldAgain) {
    begin_with(build_of<Listener<1>>());
    before_the_pause = [&] {
        key(1);
        for (int i = 0; i < 5000 && ears.count() == 0; ++i)
            std::this_thread::sleep_for(1ms);
    };
    in_the_pause = [&] { key(2); };
    ASSERT_TRUE(swap({.id = {}, .type = build_of<Listener<2>>(), .properties = {}}));
    EXPECT_THAT(ears.take(2), ElementsAre(heard(1, 1), heard(2, 2)));
}

TEST_F(HostEventSwap, WhenTheNewBuildIsRefusedTheOldOneHearsOfIt) {
    begin_with(build_of<Listener<1>>());
    in_the_pause = [&] {
        key(1);
        key(2);
    };
    EXPECT_FALSE(
        swap({.id = {}, .type = build_of<Listener<2, Listens::from_create, false>>(), .properties = {}}));
    key(3);
    EXPECT_THAT(ears.take(3), ElementsAre(heard(1, 1), heard(1, 2), heard(1, 3)));
}

TEST_F(HostEventSwap, AnyNumberComesAndTheOldestAreDropped) {
    begin_with(build_of<Listener<1>>());
    in_the_pause = [&] {
        for (std::int32_t x = 0; x < 1000; ++x)
            key(x);
    };
    ASSERT_TRUE(swap({.id = {}, .type = build_of<Listener<2>>(), .properties = {}}));
    const auto all = ears.take(256);
    ASSERT_EQ(all.size(), 256u);
    EXPECT_EQ(all.front().x, 744);
    EXPECT_EQ(all.front().dropped, 744u);
    EXPECT_THAT(all.back(), heard(2, 999));
}

TEST_F(HostEventSwap, ABuildMayListenOnlyWhenItResumes) {
    begin_with(build_of<Listener<1>>());
    in_the_pause = [&] { key(1); };
    ASSERT_TRUE(swap({.id = {}, .type = build_of<Listener<2, Listens::from_resume>>(), .properties = {}}));
    key(2);
    EXPECT_THAT(ears.take(2), ElementsAre(heard(2, 1), heard(2, 2)));
}

TEST_F(HostEventSwap, BuildsMayListenInOtherWays) {
    begin_with(build_of<Listener<1, Listens::to_each_kind>>());
    in_the_pause = [&] {
        move(1);
        key(2);
        move(3);
        key(4);
    };
    ASSERT_TRUE(swap({.id = {}, .type = build_of<Listener<2>>(), .properties = {}}));
    EXPECT_THAT(ears.take(4), ElementsAre(heard(2, 1), heard(2, 2), heard(2, 3), heard(2, 4)));
    ASSERT_TRUE(swap({.id = {}, .type = build_of<Listener<1, Listens::to_each_kind>>(), .properties = {}}));
    auto all = ears.take(4);
    std::ranges::stable_sort(all, {}, &Heard::kind);
    EXPECT_THAT(all, ElementsAre(heard(1, 2), heard(1, 4), heard(1, 1), heard(1, 3)));
}

TEST_F(HostEventSwap, AnEventThatABuildCrashedInIsForTheOneThatComesBack) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    begin_with(build_of<Listener<1>>());
    std::atomic<bool> crashed{false};
    ASSERT_TRUE(swap({.id = {},
                      .type = build_of<Listener<2, Listens::until_it_crashes>>(),
                      .properties = {},
                      .crashed = [&] { crashed = true; }}));
    for (std::int32_t x = 1; x < 6; ++x)
        key(x);
    for (int i = 0; i < 5000 && !crashed; ++i)
        std::this_thread::sleep_for(1ms);
    ASSERT_TRUE(crashed);
    EXPECT_EQ(manager->find("ear")->crash(), "it crashed (SIGSEGV) in a host event");
    ASSERT_TRUE(swap({.id = {}, .type = build_of<Listener<1>>(), .properties = {}}));
    living -= 1; // the crashed one is never destroyed
    EXPECT_THAT(ears.take(5), ElementsAre(heard(2, 1), heard(2, 2), heard(1, 3), heard(1, 4), heard(1, 5)));
}

// While builds come and go and events come all the time.
TEST_F(HostEventSwap, NoneIsLostOrComesTwiceOrInAnotherOrder) {
    begin_with(build_of<Listener<1>>());
    std::atomic<bool> enough{false};
    std::int32_t published = 0;
    std::thread world([&] {
        while (!enough) {
            if (static_cast<std::size_t>(published) >= ears.count() + 100) {
                std::this_thread::yield(); // a subscription would hold twice as many
            } else if (published % 3 == 0) {
                move(published++);
            } else {
                key(published++);
            }
        }
    });
    for (int i = 0; i < 100; ++i) {
        const LoadedType type =
            i % 2 == 0 ? build_of<Listener<2, Listens::from_resume>>() : build_of<Listener<1>>();
        ASSERT_TRUE(swap({.id = {}, .type = type, .properties = {}}));
    }
    enough = true;
    world.join();
    const auto all = ears.take(static_cast<std::size_t>(published));
    ASSERT_EQ(all.size(), static_cast<std::size_t>(published));
    for (std::size_t i = 0; i < all.size(); ++i) {
        ASSERT_EQ(all[i].x, static_cast<std::int32_t>(i));
        ASSERT_EQ(all[i].dropped, 0u);
    }
}

} // namespace
} // namespace plugbay::core
