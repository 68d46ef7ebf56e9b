#include <plugbay/testkit/testkit.hpp>
#include <plugbay/virtio/testing/driver.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace testkit = plugbay::testkit;
namespace virtio = plugbay::virtio;

namespace {

struct Guest {
    Guest() {
        bench.add(PLUGBAY_PLUGIN_FILE, "virtio-rng", "rng0", {{"slot", "5"}});
        bench.start();
        bench.enable_msix("rng0");
        driver.emplace(bench, "rng0");
        if (!driver->negotiate()) throw testkit::Error("negotiation failed");
        queue.emplace(driver->setup(0, 8, 0x10000));
        driver->driver_ok();
    }
    // Offers one buffer and returns how much of it was written.
    std::uint32_t ask(std::uint64_t address, std::uint32_t length, bool writable = true) {
        queue->add({{address, length, writable}});
        driver->kick();
        const auto used = queue->take_used();
        return used.size() == 1 ? used[0].written : ~0u;
    }

    testkit::Bench bench;
    std::optional<virtio::testing::Driver> driver;
    std::optional<virtio::testing::DriverQueue> queue;
};

} // namespace

TEST(VirtioRng, FillsBuffers) {
    Guest guest;
    EXPECT_EQ(guest.driver->config(0, 4), 0x10441af4u);
    EXPECT_EQ(guest.bench.slot("rng0"), 5u);
    EXPECT_EQ(guest.ask(0x20000, 64), 64u);
    EXPECT_EQ(guest.ask(0x20040, 64), 64u);
    std::vector<std::byte> first(64);
    std::vector<std::byte> second(64);
    std::vector<std::byte> behind(64);
    guest.bench.read_memory(0x20000, first);
    guest.bench.read_memory(0x20040, second);
    guest.bench.read_memory(0x20080, behind);
    EXPECT_NE(first, second);
    EXPECT_NE(first, std::vector<std::byte>(64));
    EXPECT_EQ(behind, std::vector<std::byte>(64));
    EXPECT_EQ(guest.bench.take_msix("rng0"), (std::vector<unsigned>{1, 1}));
}

TEST(VirtioRng, BoundsARequest) {
    Guest guest;
    EXPECT_EQ(guest.ask(0x20000, 1 << 20), 256u);
}

TEST(VirtioRng, UselessBuffers) {
    Guest guest;
    EXPECT_EQ(guest.ask(0x20000, 64, false), 0u);
    EXPECT_EQ(guest.ask(0x70000000, 64), 0u);
    EXPECT_EQ(guest.ask(0x20000, 0), 0u);
    EXPECT_EQ(guest.ask(0x20000, 1), 1u);
}

TEST(VirtioRng, Checkpoint) {
    Guest source;
    for (int i = 0; i < 20; ++i)
        ASSERT_EQ(source.ask(0x20000, 16), 16u);
    source.bench.quiesce();
    const auto checkpoint = source.bench.save();
    testkit::Bench bench;
    bench.add(PLUGBAY_PLUGIN_FILE, "virtio-rng", "rng0", {{"slot", "5"}});
    bench.load(*checkpoint);
    bench.start();
    virtio::testing::Driver driver(bench, "rng0");
    EXPECT_EQ(driver.status(), 0xf);
    virtio::testing::DriverQueue queue(bench, 0x10000, 8, true); // where the other one was
    queue.set_available_index(20);
    queue.add({{0x30000, 16, true}});
    driver.kick();
    EXPECT_EQ(queue.used_index(), 21u);
    EXPECT_NE(bench.load_object<std::uint64_t>(0x30000), 0u);
}

TEST(VirtioRng, ADriverNoticesNoSwap) {
    Guest guest;
    for (int round = 0; round < 10; ++round) {
        guest.queue->add({{0x20000, 64, true}});
        guest.driver->notify(0);
        guest.bench.swap("rng0", PLUGBAY_PLUGIN_FILE); // the doorbell is rung
        guest.bench.run();
        const auto used = guest.queue->take_used();
        ASSERT_EQ(used.size(), 1u);
        EXPECT_EQ(used[0].written, 64u);
        EXPECT_EQ(guest.ask(0x20000, 64), 64u);
        EXPECT_EQ(guest.bench.take_msix("rng0"), (std::vector<unsigned>{1, 1}));
    }
    EXPECT_EQ(guest.bench.slot("rng0"), 5u);
}
