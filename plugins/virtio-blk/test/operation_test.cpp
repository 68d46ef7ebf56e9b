// Normal operation, from negotiation to a backend that fails.
#include "guest.hpp"

#include <gtest/gtest.h>

#include <cstring>

TEST(VirtioBlk, ShowsWhatItIs) {
    Guest guest({.properties = {{"serial", "one"}}, .disk = {.capacity = 3 << 20}});
    EXPECT_EQ(guest.driver->config(0, 4), 0x10421af4u);
    EXPECT_EQ(guest.driver->config(8, 1), 1u);
    EXPECT_EQ(guest.driver->device_config(0, 8), (3u << 20) / 512);
    EXPECT_EQ(guest.driver->device_config(12, 4), 254u);
    EXPECT_EQ(guest.driver->device_config(20, 4), 512u);
    EXPECT_EQ(guest.driver->device_config(24, 1), 3u); // 4096-byte physical blocks
    EXPECT_EQ(guest.driver->device_config(32, 1), 1u); // writeback
    EXPECT_EQ(guest.driver->read(0x12, 2), 1u);
    const auto offered = guest.driver->offered();
    EXPECT_TRUE(offered & virtio::feature_version_1);
    EXPECT_TRUE(offered & virtio::feature_event_index);
    EXPECT_TRUE(offered & virtio::feature_indirect_descriptors);
    EXPECT_TRUE(offered & blk::feature_discard);
    EXPECT_FALSE(offered & blk::feature_multi_queue);
    EXPECT_FALSE(offered & blk::feature_read_only);
    EXPECT_FALSE(offered & (std::uint64_t{1} << 34)); // packed rings
}

TEST(VirtioBlk, WritesAndReads) {
    Guest guest;
    guest.fill(data_base, 8192, 1);
    EXPECT_EQ(guest.execute(blk::type_out, 8, {{data_base, 4096}, {data_base + 4096, 4096}}), blk::status_ok);
    ASSERT_EQ(guest.used.size(), 1u);
    EXPECT_EQ(guest.used[0].written, 1u);
    EXPECT_EQ(guest.on_disk(8 * 512, 8192), guest.bytes(data_base, 8192));
    EXPECT_EQ(guest.execute(blk::type_in, 9, {{data_base + 0x10000, 512, true}}), blk::status_ok);
    ASSERT_EQ(guest.used.size(), 1u);
    EXPECT_EQ(guest.used[0].written, 513u);
    EXPECT_EQ(guest.bytes(data_base + 0x10000, 512), guest.bytes(data_base + 512, 512));
    EXPECT_EQ(guest.bench.take_msix("disk0"), (std::vector<unsigned>{1, 1}));

    auto& device = guest.bench.device("disk0");
    EXPECT_EQ(device.statistic("requests"), 2u);
    EXPECT_EQ(device.statistic("bytes written"), 8192u);
    EXPECT_EQ(device.statistic("bytes read"), 512u);
    EXPECT_EQ(device.statistic("in flight"), 0u);
    EXPECT_EQ(device.statistic("queue size"), 256u);
}

TEST(VirtioBlk, OtherRequests) {
    Guest guest({.properties = {{"serial", "a-serial-number"}}});
    EXPECT_EQ(guest.execute(blk::type_flush, 0), blk::status_ok);
    EXPECT_EQ(guest.disk.requests().back().operation, PLUGBAY_BLK_FLUSH);
    EXPECT_EQ(guest.execute(blk::type_get_id, 0, {{data_base, 20, true}}), blk::status_ok);
    EXPECT_EQ(std::memcmp(guest.bytes(data_base, 20).data(), "a-serial-number\0\0\0\0\0", 20), 0);
    EXPECT_EQ(guest.execute(99, 0), blk::status_unsupported);

    std::memset(guest.disk.contents().data(), 0x55, guest.disk.contents().size());
    EXPECT_EQ(guest.execute_range(blk::type_write_zeroes, {{2, 2, 0}, {10, 1, blk::range_unmap}, {5, 0, 0}}),
              blk::status_ok);
    EXPECT_EQ(guest.on_disk(1024, 1024), std::vector<std::byte>(1024));
    EXPECT_EQ(guest.on_disk(5120, 512), std::vector<std::byte>(512));
    EXPECT_EQ(guest.on_disk(2048, 512), std::vector<std::byte>(512, std::byte{0x55}));
    EXPECT_EQ(guest.disk.requests().back().flags, PLUGBAY_BLK_MAY_UNMAP);
    EXPECT_EQ(guest.execute_range(blk::type_discard, {{0, 4, 0}}), blk::status_ok);
    EXPECT_EQ(guest.execute_range(blk::type_discard, {{0, 4, blk::range_unmap}}), blk::status_unsupported);
    EXPECT_EQ(guest.execute_range(blk::type_write_zeroes, {{0, 4, 2}}), blk::status_unsupported);
    EXPECT_EQ(guest.execute_range(blk::type_discard, {{2047, 2, 0}}), blk::status_io_error);
    EXPECT_EQ(guest.execute_range(blk::type_discard, std::vector<blk::Range>(33)), blk::status_io_error);
    EXPECT_EQ(guest.execute_range(blk::type_discard, {{0, 0, 0}}), blk::status_ok);
    EXPECT_EQ(guest.execute(blk::type_discard, 0, {{data_base, 15}}), blk::status_io_error);
    EXPECT_FALSE(guest.needs_reset());
}

// Section 2.7.4: how a request is cut into descriptors means nothing.
TEST(VirtioBlk, FramingDoesNotMatter) {
    for (const bool indirect : {false, true}) {
        Guest guest;
        guest.fill(data_base, 1024, 9);
        guest.prepare(0, blk::type_out, 4);
        const std::uint64_t header = Guest::header_at(0);
        guest.queues[0].add({{header, 3},
                             {header + 3, 12},
                             {header + 15, 1},
                             {data_base, 1},
                             {data_base + 1, 700},
                             {data_base, 0},
                             {data_base + 701, 323},
                             {header + 16, 1, true}},
                            indirect ? table_base : 0);
        guest.driver->kick();
        EXPECT_EQ(guest.status(0), blk::status_ok);
        EXPECT_EQ(guest.on_disk(2048, 1024), guest.bytes(data_base, 1024));

        // Header and data in one descriptor; data and status in one.
        guest.bench.store_object(data_base + 0x1000, blk::Header{blk::type_out, 0, 20});
        guest.fill(data_base + 0x1010, 512, 3);
        guest.queues[0].add({{data_base + 0x1000, 528}, {data_base + 0x2000, 1, true}},
                            indirect ? table_base : 0);
        guest.bench.store_object(data_base + 0x3000, blk::Header{blk::type_in, 0, 20});
        guest.queues[0].add({{data_base + 0x3000, 16}, {data_base + 0x4000, 513, true}},
                            indirect ? table_base + 4096 : 0);
        guest.driver->kick();
        EXPECT_EQ(guest.bytes(data_base + 0x2000, 1)[0], std::byte{0});
        EXPECT_EQ(guest.bytes(data_base + 0x4200, 1)[0], std::byte{0});
        EXPECT_EQ(guest.bytes(data_base + 0x4000, 512), guest.bytes(data_base + 0x1010, 512));
    }
}

TEST(VirtioBlk, ABatchIsOneSubmitAndOneInterrupt) {
    for (const std::uint64_t features : {all_features, all_features & ~virtio::feature_event_index}) {
        Guest guest({.features = features});
        for (unsigned i = 0; i < 16; ++i)
            guest.queues[0].add(guest.prepare(i, blk::type_in, i, {{data_base + 512ull * i, 512, true}}));
        guest.driver->kick();
        EXPECT_EQ(guest.queues[0].take_used().size(), 16u);
        EXPECT_EQ(guest.bench.take_msix("disk0"), std::vector<unsigned>{1});
        for (unsigned i = 0; i < 16; ++i)
            EXPECT_EQ(guest.status(i), blk::status_ok);
    }
}

TEST(VirtioBlk, InterruptsWhenTheEventIndexSays) {
    Guest guest;
    guest.queues[0].set_event_distance(3);
    for (unsigned i = 0; i < 4; ++i) {
        EXPECT_TRUE(guest.bench.take_msix("disk0").empty()) << i;
        guest.queues[0].add(guest.prepare(i, blk::type_flush, 0));
        EXPECT_TRUE(guest.queues[0].wants_kick());
        guest.driver->kick();
    }
    EXPECT_EQ(guest.bench.take_msix("disk0").size(), 1u);
}

TEST(VirtioBlk, NoInterruptFlag) {
    Guest guest({.features = all_features & ~virtio::feature_event_index});
    guest.queues[0].set_available_flags(virtio::available_no_interrupt);
    EXPECT_EQ(guest.execute(blk::type_flush, 0), blk::status_ok);
    EXPECT_TRUE(guest.bench.take_msix("disk0").empty());
    guest.queues[0].set_available_flags(0);
    EXPECT_EQ(guest.execute(blk::type_flush, 0), blk::status_ok);
    EXPECT_EQ(guest.bench.take_msix("disk0").size(), 1u);
    EXPECT_TRUE(guest.queues[0].wants_kick());
}

TEST(VirtioBlk, UsesThePinWithoutMsix) {
    Guest guest({.msix = false});
    const auto line = [&] {
        int high = 0;
        for (unsigned gsi = 0; gsi < 24; ++gsi)
            high += guest.bench.line(gsi);
        return high;
    };
    EXPECT_EQ(line(), 0);
    EXPECT_EQ(guest.execute(blk::type_flush, 0), blk::status_ok);
    EXPECT_EQ(line(), 1);
    EXPECT_EQ(guest.driver->isr(), virtio::interrupt_queue);
    EXPECT_EQ(line(), 0);
    EXPECT_EQ(guest.driver->isr(), 0);
    guest.disk.change({.capacity = 4 << 20});
    EXPECT_EQ(line(), 1);
    EXPECT_EQ(guest.driver->isr(), virtio::interrupt_config);
    EXPECT_EQ(guest.driver->device_config(0, 8), (4u << 20) / 512);
}

TEST(VirtioBlk, ChangedDiskIsAConfigurationInterrupt) {
    Guest guest;
    const auto generation = guest.driver->read(0x15, 1);
    guest.disk.change({.capacity = 2 << 20});
    EXPECT_EQ(guest.bench.take_msix("disk0"), std::vector<unsigned>{0});
    EXPECT_NE(guest.driver->read(0x15, 1), generation);
    EXPECT_EQ(guest.driver->device_config(0, 8), (2u << 20) / 512);
}

TEST(VirtioBlk, ManyQueues) {
    Guest guest({.properties = {{"queues", "4"}}, .queues = 4});
    EXPECT_EQ(guest.driver->device_config(34, 2), 4u);
    for (unsigned i = 0; i < 4; ++i) {
        guest.queues[i].add(guest.prepare(i, blk::type_in, i, {{data_base, 512, true}}));
        guest.driver->notify(static_cast<std::uint16_t>(i), i % 2 == 0 ? 2 : 4);
    }
    guest.bench.run();
    EXPECT_EQ(guest.bench.take_msix("disk0"), (std::vector<unsigned>{1, 2, 3, 4}));
    for (unsigned i = 0; i < 4; ++i)
        EXPECT_EQ(guest.status(i), blk::status_ok);
}

// Section 5.2.6.2: a driver that knows no cache gets durable writes.
TEST(VirtioBlk, WritethroughFlushesAfterWrites) {
    Guest guest({.features = all_features & ~(blk::feature_flush | blk::feature_config_wce)});
    EXPECT_EQ(guest.execute(blk::type_out, 0, {{data_base, 512}}), blk::status_ok);
    ASSERT_EQ(guest.disk.requests().size(), 2u);
    EXPECT_EQ(guest.disk.requests()[1].operation, PLUGBAY_BLK_FLUSH);
    EXPECT_EQ(guest.execute(blk::type_in, 0, {{data_base, 512, true}}), blk::status_ok);
    EXPECT_EQ(guest.disk.requests().size(), 3u);
}

TEST(VirtioBlk, TheDriverChoosesTheCacheMode) {
    Guest guest;
    EXPECT_EQ(guest.execute(blk::type_out, 0, {{data_base, 512}}), blk::status_ok);
    EXPECT_EQ(guest.disk.requests().size(), 1u);
    guest.driver->write_device_config(32, 1, 0);
    EXPECT_EQ(guest.driver->device_config(32, 1), 0u);
    EXPECT_EQ(guest.execute(blk::type_out, 0, {{data_base, 512}}), blk::status_ok);
    EXPECT_EQ(guest.disk.requests().size(), 3u);
    Guest without({.features = all_features & ~blk::feature_config_wce});
    without.driver->write_device_config(32, 1, 0);
    EXPECT_EQ(without.driver->device_config(32, 1), 1u);
}

TEST(VirtioBlk, ReadOnlyDisk) {
    Guest guest({.disk = {.flags = PLUGBAY_BLK_READ_ONLY}});
    EXPECT_TRUE(guest.driver->offered() & blk::feature_read_only);
    EXPECT_FALSE(guest.driver->offered() & (blk::feature_discard | blk::feature_write_zeroes));
    EXPECT_EQ(guest.execute(blk::type_in, 0, {{data_base, 512, true}}), blk::status_ok);
    EXPECT_EQ(guest.execute(blk::type_out, 0, {{data_base, 512}}), blk::status_io_error);
    EXPECT_EQ(guest.execute_range(blk::type_discard, {{0, 1, 0}}), blk::status_unsupported);
    EXPECT_EQ(guest.disk.requests().size(), 1u);
}

TEST(VirtioBlk, BackendFailures) {
    Guest guest;
    for (const auto& [status, expected] :
         {std::pair{PLUGBAY_FAILED, blk::status_io_error}, std::pair{PLUGBAY_INVALID, blk::status_io_error},
          std::pair{PLUGBAY_UNSUPPORTED, blk::status_unsupported}}) {
        guest.disk.fail_next(status);
        EXPECT_EQ(guest.execute(blk::type_out, 0, {{data_base, 512}}), expected);
        EXPECT_EQ(guest.used.at(0).written, 1u);
        guest.disk.fail_next(status);
        EXPECT_EQ(guest.execute(blk::type_in, 0, {{data_base, 512, true}}), expected);
        EXPECT_EQ(guest.used.at(0).written, 0u);
    }
    // One of several ranges fails: so does the request, once.
    guest.disk.fail_next(PLUGBAY_FAILED);
    EXPECT_EQ(guest.execute_range(blk::type_discard, {{0, 1, 0}, {4, 1, 0}, {8, 1, 0}}),
              blk::status_io_error);
    EXPECT_EQ(guest.used.size(), 1u);
    EXPECT_EQ(guest.execute(blk::type_in, 0, {{data_base, 512, true}}), blk::status_ok);
}

TEST(VirtioBlk, CompletionsInAnyOrder) {
    Guest guest;
    guest.disk.hold(true);
    std::vector<std::uint16_t> heads;
    for (unsigned i = 0; i < 3; ++i)
        heads.push_back(guest.queues[0].add(guest.prepare(i, blk::type_in, i, {{data_base, 512, true}})));
    guest.driver->kick();
    EXPECT_TRUE(guest.queues[0].take_used().empty());
    guest.disk.release(1);
    const auto used = guest.queues[0].take_used();
    ASSERT_EQ(used.size(), 1u);
    EXPECT_EQ(used[0].head, heads[1]);
    EXPECT_EQ(guest.status(0), no_status);
    guest.disk.release_all();
    EXPECT_EQ(guest.queues[0].take_used().size(), 2u);
}

// The driver waits for status 0 until what it started has ended, and nothing of it shows up afterwards.
TEST(VirtioBlk, ResetWithRequestsInFlight) {
    Guest guest;
    guest.disk.hold(true);
    guest.queues[0].add(guest.prepare(0, blk::type_in, 0, {{data_base, 512, true}}));
    guest.driver->kick();
    guest.driver->reset();
    EXPECT_NE(guest.driver->status(), 0);
    EXPECT_EQ(guest.driver->read(0x1c, 2), 1u);
    guest.disk.release_all();
    guest.bench.run();
    EXPECT_EQ(guest.driver->status(), 0);
    EXPECT_EQ(guest.driver->read(0x1c, 2), 0u);
    EXPECT_TRUE(guest.queues[0].take_used().empty());
    guest.disk.hold(false);
    EXPECT_TRUE(guest.works_after_reset());
}

TEST(VirtioBlk, MachineReset) {
    Guest guest;
    EXPECT_EQ(guest.execute(blk::type_flush, 0), blk::status_ok);
    guest.bench.reset();
    EXPECT_EQ(guest.driver->status(), 0);
    EXPECT_TRUE(guest.works_after_reset());
}

TEST(VirtioBlk, BadProperties) {
    testkit::Bench bench;
    const auto outcome = bench.try_add(PLUGBAY_PLUGIN_FILE, "virtio-blk", "disk0", {{"queue_size", "100"}});
    EXPECT_FALSE(outcome);
    EXPECT_NE(outcome.text.find("power of two"), std::string::npos) << outcome.text;
    EXPECT_FALSE(bench.try_add(PLUGBAY_PLUGIN_FILE, "virtio-blk", "disk0", {{"queues", "17"}}));
    EXPECT_FALSE(
        bench.try_add(PLUGBAY_PLUGIN_FILE, "virtio-blk", "disk0", {{"serial", "123456789012345678901"}}));
}
