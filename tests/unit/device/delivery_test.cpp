// What reaches a device from its loop, and what is held back while it is quiesced.
#include "tests/unit/device/device_fixture.hpp"

#include <sys/eventfd.h>

namespace plugbay::core {
namespace {

constexpr std::uint64_t millisecond = 1'000'000;

class Delivery : public DeviceTest {
  protected:
    Delivery() {
        script.rung = [this](std::uint64_t) { ++rung; };
        script.expired = [this](std::uint64_t) { ++expired; };
        script.ready = [this](std::uint64_t, int fd, std::uint32_t) {
            eventfd_t ignored = 0;
            ::eventfd_read(fd, &ignored);
            ++ready;
        };
        device = run("vda", script);
    }
    ~Delivery() override { EXPECT_TRUE(device->quiesce()); }
    plugbay_handle map_region() {
        plugbay_handle region{};
        EXPECT_EQ(access().map_memory(script.host, address, 0x1000, 0, &region), PLUGBAY_OK);
        return region;
    }
    plugbay_handle doorbell(plugbay_handle region, std::uint64_t offset = 0x10) {
        plugbay_handle bell{};
        EXPECT_EQ(doorbells().create(script.host, region, offset, 4, PLUGBAY_DOORBELL_ANY_VALUE, 0, 5, &bell),
                  PLUGBAY_OK);
        return bell;
    }
    plugbay_handle timer(std::uint32_t which = PLUGBAY_CLOCK_HOST) {
        plugbay_handle handle{};
        EXPECT_EQ(timers().create(script.host, which, 0, &handle), PLUGBAY_OK);
        return handle;
    }
    [[nodiscard]] const plugbay_access_host& access() const {
        return script.table<plugbay_access_host>(PLUGBAY_ACCESS);
    }
    [[nodiscard]] const plugbay_doorbell_host& doorbells() const {
        return script.table<plugbay_doorbell_host>(PLUGBAY_DOORBELL);
    }
    [[nodiscard]] const plugbay_timer_host& timers() const {
        return script.table<plugbay_timer_host>(PLUGBAY_TIMER);
    }
    [[nodiscard]] const plugbay_fd_host& fds() const { return script.table<plugbay_fd_host>(PLUGBAY_FD); }

    static constexpr std::uint64_t address = 0xd000'0000;
    std::atomic<int> rung{0};
    std::atomic<int> expired{0};
    std::atomic<int> ready{0};
    Script script;
    std::unique_ptr<Device> device;
};

TEST_F(Delivery, DoorbellRingsFromTheGuestAndFromTheHost) {
    const auto bell = doorbell(map_region());
    ASSERT_TRUE(platform.ring(address + 0x10));
    EXPECT_TRUE(eventually([&] { return rung == 1; }));
    EXPECT_EQ(doorbells().ring(script.host, bell), PLUGBAY_OK);
    EXPECT_TRUE(eventually([&] { return rung == 2; }));
    EXPECT_EQ(doorbells().destroy(script.host, bell), PLUGBAY_OK);
    EXPECT_FALSE(platform.ring(address + 0x10));
    EXPECT_EQ(doorbells().ring(script.host, bell), PLUGBAY_STALE);
}

TEST_F(Delivery, DoorbellsMustLieInsideTheirRegion) {
    const auto region = map_region();
    struct Case {
        std::uint64_t offset;
        std::uint32_t width;
    };
    for (const auto& [offset, width] :
         {Case{0x1000, 1}, Case{0xffd, 4}, Case{0, 3}, Case{0, 0}, Case{~0ULL, 8}}) {
        plugbay_handle bell{};
        EXPECT_EQ(doorbells().create(script.host, region, offset, width, 0, 0, 0, &bell), PLUGBAY_INVALID)
            << offset << " width " << width;
    }
    plugbay_handle bell{};
    EXPECT_EQ(doorbells().create(script.host, bell, 0, 4, 0, 0, 0, &bell), PLUGBAY_STALE);
    EXPECT_EQ(doorbells().create(script.host, region, 0xffc, 4, 0, 7, 0, &bell), PLUGBAY_OK);
    ASSERT_EQ(platform.latches().size(), 1U);
    EXPECT_EQ(platform.latches()[0].value, std::optional<std::uint64_t>(7));
}

// A doorbell points at its region; it must not be left pointing at nothing.
TEST_F(Delivery, RegionWithADoorbellStays) {
    const auto region = map_region();
    const auto bell = doorbell(region);
    EXPECT_EQ(access().unmap(script.host, region), PLUGBAY_FORBIDDEN);
    EXPECT_TRUE(platform.ring(address + 0x10));
    EXPECT_EQ(doorbells().destroy(script.host, bell), PLUGBAY_OK);
    EXPECT_EQ(access().unmap(script.host, region), PLUGBAY_OK);
}

TEST_F(Delivery, DoorbellsWaitForResumeAndThenRingOnce) {
    doorbell(map_region());
    ASSERT_TRUE(device->quiesce());
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(platform.ring(address + 0x10));
        let_pass();
    }
    EXPECT_EQ(rung, 0);
    // Slow enough for a second ring to arrive while the first is handled.
    script.resume = [&] {};
    script.rung = [&](std::uint64_t) {
        let_pass();
        ++rung;
    };
    device->resume();
    EXPECT_TRUE(eventually([&] { return rung > 0; }));
    let_pass();
    let_pass();
    EXPECT_EQ(rung, 1);
    ASSERT_TRUE(device->quiesce());
    ASSERT_TRUE(platform.ring(address + 0x10));
    let_pass();
    device->resume();
    EXPECT_TRUE(eventually([&] { return rung == 2; })) << "holding back works more than once";
}

TEST_F(Delivery, TimersWaitForResumeAndThenExpireOnce) {
    const auto handle = timer();
    ASSERT_TRUE(device->quiesce());
    ASSERT_EQ(timers().arm(script.host, handle, IoLoop::now() + millisecond, 0), PLUGBAY_OK);
    let_pass();
    ASSERT_EQ(timers().arm(script.host, handle, IoLoop::now() + millisecond, 0), PLUGBAY_OK);
    let_pass();
    EXPECT_EQ(expired, 0);
    device->resume();
    EXPECT_TRUE(eventually([&] { return expired == 1; }));
    let_pass();
    EXPECT_EQ(expired, 1);
}

TEST_F(Delivery, TimerDisarmedWhileHeldBackStaysSilent) {
    const auto handle = timer();
    ASSERT_TRUE(device->quiesce());
    ASSERT_EQ(timers().arm(script.host, handle, 0, 0), PLUGBAY_OK);
    let_pass();
    ASSERT_EQ(timers().disarm(script.host, handle), PLUGBAY_OK);
    device->resume();
    let_pass();
    EXPECT_EQ(expired, 0);
    ASSERT_EQ(timers().arm(script.host, handle, 0, 0), PLUGBAY_OK);
    EXPECT_TRUE(eventually([&] { return expired == 1; }));
}

TEST_F(Delivery, PeriodicTimerGoesOnUntilDisarmed) {
    const auto handle = timer();
    ASSERT_EQ(timers().arm(script.host, handle, 0, millisecond), PLUGBAY_OK);
    EXPECT_TRUE(eventually([&] { return expired >= 3; }));
    ASSERT_EQ(timers().disarm(script.host, handle), PLUGBAY_OK);
    const int calls = expired;
    let_pass();
    EXPECT_EQ(expired, calls);
    // A period longer than time itself: once, not in an endless loop.
    ASSERT_EQ(timers().arm(script.host, handle, 1, ~std::uint64_t{0}), PLUGBAY_OK);
    let_pass();
    EXPECT_EQ(expired, calls + 1);
}

TEST_F(Delivery, TimersRefuseTheCalendar) {
    plugbay_handle handle{};
    EXPECT_EQ(timers().create(script.host, PLUGBAY_CLOCK_CALENDAR, 0, &handle), PLUGBAY_INVALID);
    EXPECT_EQ(timers().arm(script.host, handle, 0, 0), PLUGBAY_STALE);
}

TEST_F(Delivery, GuestTimerArmedBeforeTheClockStartsKeepsItsDeadline) {
    const auto handle = timer(PLUGBAY_CLOCK_GUEST);
    ASSERT_EQ(timers().arm(script.host, handle, 20 * millisecond, 0), PLUGBAY_OK);
    let_pass();
    let_pass();
    EXPECT_EQ(expired, 0);
    clock.start();
    EXPECT_TRUE(eventually([&] { return expired == 1; }));
    EXPECT_GE(clock.now(), 20 * millisecond);
}

TEST_F(Delivery, GuestTimerWaitsWhileTheClockStands) {
    clock.start();
    const auto handle = timer(PLUGBAY_CLOCK_GUEST);
    ASSERT_EQ(timers().arm(script.host, handle, clock.now() + 20 * millisecond, 0), PLUGBAY_OK);
    clock.stop();
    const std::uint64_t stopped = clock.now();
    let_pass();
    let_pass();
    EXPECT_EQ(clock.now(), stopped);
    EXPECT_EQ(expired, 0);
    ASSERT_EQ(timers().disarm(script.host, handle), PLUGBAY_OK);
    clock.start();
    let_pass();
    EXPECT_EQ(expired, 0);
    EXPECT_GT(clock.now(), stopped);
}

std::uint64_t processor_time() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

// A deadline without a host time must not make the loop ask again and again.
TEST_F(Delivery, GuestTimersThatCannotExpireCostNoProcessorTime) {
    const auto handle = timer(PLUGBAY_CLOCK_GUEST);
    for (const bool runs : {false, true}) {
        SCOPED_TRACE(runs);
        const std::uint64_t deadline = runs ? ~std::uint64_t{0} : 20 * millisecond;
        if (runs) clock.start();
        ASSERT_EQ(timers().arm(script.host, handle, deadline, 0), PLUGBAY_OK);
        const std::uint64_t before = processor_time();
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        EXPECT_LT(processor_time() - before, 50 * millisecond);
        ASSERT_EQ(timers().disarm(script.host, handle), PLUGBAY_OK);
    }
    EXPECT_EQ(expired, 0);
}

TEST_F(Delivery, DescriptorIsMutedWhileQuiesced) {
    const UniqueFd event(::eventfd(0, EFD_NONBLOCK));
    plugbay_handle watch{};
    ASSERT_EQ(fds().watch(script.host, event.get(), PLUGBAY_FD_READABLE, 0, &watch), PLUGBAY_OK);
    ::eventfd_write(event.get(), 1);
    EXPECT_TRUE(eventually([&] { return ready == 1; }));
    ASSERT_TRUE(device->quiesce());
    ::eventfd_write(event.get(), 1);
    const std::uint64_t before = processor_time();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_LT(processor_time() - before, 50 * millisecond) << "held back, not asked again and again";
    EXPECT_EQ(ready, 1);
    device->resume();
    EXPECT_TRUE(eventually([&] { return ready == 2; }));
    ASSERT_EQ(fds().change(script.host, watch, 0), PLUGBAY_OK);
    ::eventfd_write(event.get(), 1);
    let_pass();
    EXPECT_EQ(ready, 2);
    ASSERT_EQ(fds().change(script.host, watch, PLUGBAY_FD_READABLE), PLUGBAY_OK);
    EXPECT_TRUE(eventually([&] { return ready == 3; }));
    ASSERT_EQ(fds().unwatch(script.host, watch), PLUGBAY_OK);
    ::eventfd_write(event.get(), 1);
    let_pass();
    EXPECT_EQ(ready, 3);
    EXPECT_EQ(fds().change(script.host, watch, PLUGBAY_FD_READABLE), PLUGBAY_STALE);
    EXPECT_EQ(fds().watch(script.host, -1, PLUGBAY_FD_READABLE, 0, &watch), PLUGBAY_UNSUPPORTED);
}

// For the address sanitizer: the loop is in the middle of everything while devices come and go.
TEST_F(Delivery, DeviceMayGoWhileTheLoopDelivers) {
    const UniqueFd event(::eventfd(1, EFD_NONBLOCK)); // always readable
    std::atomic<int> calls{0};
    for (int round = 0; round < 100; ++round) {
        auto other = std::make_unique<Script>();
        other->expired = [&](std::uint64_t) { ++calls; };
        other->ready = [&](std::uint64_t, int, std::uint32_t) { ++calls; };
        other->rung = [&](std::uint64_t) { ++calls; };
        auto mortal = run("mortal", *other);
        plugbay_handle handle{}, watch{}, region{}, bell{};
        ASSERT_EQ(timers().create(other->host, PLUGBAY_CLOCK_HOST, 0, &handle), PLUGBAY_OK);
        ASSERT_EQ(timers().arm(other->host, handle, 0, 1000), PLUGBAY_OK);
        ASSERT_EQ(fds().watch(other->host, event.get(), PLUGBAY_FD_READABLE, 0, &watch), PLUGBAY_OK);
        ASSERT_EQ(access().map_memory(other->host, 0xe000'0000, 0x10, 0, &region), PLUGBAY_OK);
        ASSERT_EQ(doorbells().create(other->host, region, 0, 4, 1, 0, 0, &bell), PLUGBAY_OK);
        platform.ring(0xe000'0000);
        const int before = calls;
        if (round % 4 == 0) {
            EXPECT_TRUE(eventually([&] { return calls > before; })) << "the loop is at it";
        }
        ASSERT_TRUE(mortal->quiesce());
        mortal.reset();
        other.reset();
    }
}

} // namespace
} // namespace plugbay::core
