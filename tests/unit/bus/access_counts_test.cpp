// What is counted and timed of accesses, from several threads at once.
#include "core/base/tick_clock.hpp"
#include "core/bus/access_bus.hpp"
#include "core/device/slot.hpp"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace plugbay::core {
namespace {

constexpr std::uint64_t threads = 4;
constexpr std::uint64_t rounds = 20'000;

constexpr plugbay_access_callbacks idle{
    sizeof idle, 0, [](void*, std::uint64_t, std::uint64_t, std::uint32_t) { return std::uint64_t{0}; },
    [](void*, std::uint64_t, std::uint64_t, std::uint32_t, std::uint64_t) {}};

class AccessCountsTest : public ::testing::Test {
  protected:
    AccessCountsTest() {
        slot.binding.store(&binding);
        static_cast<void>(bus.place_ports(region));
    }
    // Each thread writes once and reads twice a round.
    void run() {
        const std::uint64_t before = sum(AccessKind::read);
        std::vector<std::thread> running;
        for (std::uint64_t i = 0; i < threads; ++i) {
            running.emplace_back([&] {
                Presence presence;
                bus.presences().add(presence);
                for (std::uint64_t n = 0; n < rounds; ++n) {
                    bus.write_port(presence, 0x500, 1, n);
                    static_cast<void>(bus.read_port(presence, 0x500, 1));
                    static_cast<void>(bus.read_port(presence, 0x501, 2));
                    static_cast<void>(bus.read_port(presence, 0x600, 1)); // nobody's
                }
                all_ran.fetch_add(1);
                while (all_ran.load() < threads) // so that no number is given out twice
                    std::this_thread::yield();
                bus.presences().remove(presence);
            });
        }
        while (all_ran.load() < threads) {
            EXPECT_LE(sum(AccessKind::read), before + 2 * threads * rounds); // at any time
            std::this_thread::yield();
        }
        for (std::thread& each : running)
            each.join();
    }
    [[nodiscard]] std::uint64_t sum(AccessKind kind) const {
        std::uint64_t result = 0;
        for (const AccessCounts& counts : slot.counts)
            result += counts.of(kind);
        return result;
    }
    [[nodiscard]] std::uint64_t timed() const {
        std::uint64_t result = 0;
        for (const AccessCounts& counts : slot.counts) {
            for (std::size_t bucket = 0; bucket < LatencyHistogram::bucket_count; ++bucket)
                result += counts.latency.bucket(bucket);
        }
        return result;
    }

    AccessBus bus;
    CallbackLock lock;
    const Binding binding{.type = nullptr, .instance = &lock, .access = &idle};
    Slot slot;
    const Region region{.base = 0x500, .length = 16, .slot = &slot};
    std::atomic<std::uint64_t> all_ran{0};
    TickClock clock;
};

TEST_F(AccessCountsTest, ASerialisedDeviceCountsUnderItsLock) {
    slot.lock.store(&lock);
    run();
    EXPECT_EQ(sum(AccessKind::write), threads * rounds);
    EXPECT_EQ(sum(AccessKind::read), 2 * threads * rounds);
    EXPECT_EQ(timed(), 0U) << "nobody asked for it";
}

TEST_F(AccessCountsTest, AConcurrentDeviceCountsForEachThread) {
    slot.counts = std::vector<AccessCounts>(threads);
    run();
    EXPECT_EQ(sum(AccessKind::write), threads * rounds);
    EXPECT_EQ(sum(AccessKind::read), 2 * threads * rounds);
    for (const AccessCounts& counts : slot.counts)
        EXPECT_EQ(counts.of(AccessKind::write), rounds);
}

TEST_F(AccessCountsTest, TimesEveryAccessWhileMeasuring) {
    slot.lock.store(&lock);
    bus.presences().measure(clock.scale());
    run();
    EXPECT_EQ(timed(), 3 * threads * rounds);
    bus.presences().measure(0);
    all_ran = 0;
    run();
    EXPECT_EQ(timed(), 3 * threads * rounds) << "kept";
    EXPECT_EQ(sum(AccessKind::write), 2 * threads * rounds);
}

TEST_F(AccessCountsTest, PresencesHaveTheLowestFreeNumbers) {
    Presence one, two, three;
    bus.presences().add(one);
    bus.presences().add(two);
    EXPECT_EQ(one.number(), 0U);
    EXPECT_EQ(two.number(), 1U);
    bus.presences().remove(one);
    bus.presences().add(three);
    EXPECT_EQ(three.number(), 0U);
    bus.presences().remove(two);
    bus.presences().remove(three);
}

} // namespace
} // namespace plugbay::core
