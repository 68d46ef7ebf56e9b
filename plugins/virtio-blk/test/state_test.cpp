// Quiesce and checkpoints.
#include "guest.hpp"

#include <gtest/gtest.h>

TEST(VirtioBlkState, QuiesceDrains) {
    Guest guest;
    guest.disk.hold(true);
    guest.queues[0].add(guest.prepare(0, blk::type_in, 0, {{data_base, 512, true}}));
    guest.driver->kick();
    EXPECT_FALSE(guest.bench.begin_quiesce());
    EXPECT_EQ(guest.bench.quiesce_pending(), std::vector<std::string>{"disk0"});
    // What is made available from now on waits.
    guest.queues[0].add(guest.prepare(1, blk::type_in, 1, {{data_base, 512, true}}));
    guest.disk.release_all();
    guest.bench.run();
    EXPECT_TRUE(guest.bench.quiesce_pending().empty());
    EXPECT_EQ(guest.status(0), blk::status_ok);
    EXPECT_EQ(guest.status(1), no_status);
    EXPECT_EQ(guest.bench.device("disk0").holdings().maps, 0u);
    guest.disk.hold(false);
    guest.bench.resume();
    guest.bench.run();
    EXPECT_EQ(guest.status(1), blk::status_ok);
    EXPECT_EQ(guest.queues[0].take_used().size(), 2u);
}

TEST(VirtioBlkState, ACheckpointContinuesElsewhere) {
    Guest source({.properties = {{"queues", "2"}}, .queues = 2});
    source.fill(data_base, 4096, 5);
    for (unsigned i = 0; i < 100; ++i) // past the ring's end
        ASSERT_EQ(source.execute(blk::type_out, i % 8, {{data_base, 512}}), blk::status_ok);
    source.driver->write_device_config(32, 1, 0);
    source.bench.quiesce();
    // Available, and the doorbell is only latched: the other side has to see it by itself.
    source.queues[1].add(source.prepare(7, blk::type_in, 0, {{data_base + 0x8000, 512, true}}));
    const auto checkpoint = source.bench.save();

    Guest target({.properties = {{"queues", "2"}}, .queues = 2}, Guest::NotStarted{});
    std::copy(source.disk.contents().begin(), source.disk.contents().end(), target.disk.contents().begin());
    target.bench.load(*checkpoint);
    target.bench.start();
    target.driver = std::make_unique<Driver>(target.bench, "disk0");
    target.bench.run();
    EXPECT_EQ(target.status(7), blk::status_ok);
    EXPECT_EQ(target.bytes(data_base + 0x8000, 512), target.bytes(data_base, 512));
    EXPECT_EQ(target.bench.take_msix("disk0"), std::vector<unsigned>{2});
    EXPECT_EQ(target.driver->device_config(32, 1), 0u);
    EXPECT_EQ(target.driver->read(0x16, 2), 1u);
}

TEST(VirtioBlkState, SavedStateIsTheSameAfterALoad) {
    Guest source;
    ASSERT_EQ(source.execute(blk::type_flush, 0), blk::status_ok);
    source.bench.quiesce();
    const auto image = source.bench.save("disk0");
    Guest target({}, Guest::NotStarted{});
    target.bench.load("disk0", image);
    EXPECT_EQ(target.bench.save("disk0"), image);
}

TEST(VirtioBlkState, RefusesFeaturesItDoesNotOffer) {
    Guest source;
    source.bench.quiesce();
    const auto image = source.bench.save("disk0");
    Guest target({.disk = {.flags = 0}}, Guest::NotStarted{});
    const auto outcome = target.bench.device("disk0").try_load(image);
    EXPECT_FALSE(outcome);
    EXPECT_NE(outcome.text.find("features"), std::string::npos) << outcome.text;
}
