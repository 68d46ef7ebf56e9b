// A driver that breaks every rule. Whatever it does, the device does not crash or hang, and works again after
// a reset.
#include "guest.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <ostream>
#include <random>

namespace {

enum class Expect { needs_reset, io_error, ok, silence };

constexpr std::uint16_t next = virtio::descriptor_next;
constexpr std::uint16_t write = virtio::descriptor_write;
constexpr std::uint16_t indirect = virtio::descriptor_indirect;
constexpr std::uint64_t outside = 0x7fff0000; // the Bench has 16 MiB of RAM

struct Case {
    const char* name;
    Expect expect;
    std::function<void(Guest&)> act;
};
void PrintTo(const Case& each, std::ostream* out) {
    *out << each.name;
}

// Descriptors 0 .. n - 1 of queue 0, offered with head 0. Header 0 is a read of sector 0.
void offer(Guest& guest, const std::vector<virtio::Descriptor>& descriptors) {
    guest.prepare(0, blk::type_in, 0);
    for (std::size_t i = 0; i < descriptors.size(); ++i)
        guest.queues[0].set_descriptor(static_cast<std::uint16_t>(i), descriptors[i]);
    guest.queues[0].offer(0);
}
void offer_table(Guest& guest, const std::vector<virtio::Descriptor>& table, std::uint32_t length) {
    for (std::size_t i = 0; i < table.size(); ++i)
        guest.bench.store_object(table_base + 16 * i, table[i]);
    offer(guest, {{table_base, length, indirect, 0}});
}
const std::uint64_t header = Guest::header_at(0);
const std::uint64_t status = header + 16;

// Sets the device up again with queue 0 where and as the case says.
void set_up(Guest& guest, std::uint16_t size, std::uint64_t descriptors, std::uint64_t available,
            std::uint64_t used) {
    guest.driver->reset();
    guest.driver->negotiate();
    guest.driver->write(0x10, 2, 0);
    guest.driver->enable(0, size, descriptors, available, used);
    guest.driver->driver_ok();
}

const Case cases[] = {
    {"a_chain_of_itself", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 16, next, 0}});
     }},
    {"a_loop_of_two", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {status, 1, next, 0}});
     }},
    {"a_loop_of_empty_ones", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 0, next, 1}, {header, 0, next, 0}});
     }},
    {"next_outside_the_table", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 16, next, 64}});
     }},
    {"next_far_outside", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 16, next, 0xffff}});
     }},
    {"head_outside_the_table", Expect::needs_reset, [](Guest& g) { g.queues[0].offer(64); }},
    {"available_index_jumps", Expect::needs_reset, [](Guest& g) { g.queues[0].set_available_index(65); }},
    {"available_index_goes_back", Expect::needs_reset,
     [](Guest& g) { g.queues[0].set_available_index(0xffff); }},
    {"the_whole_ring_names_one_head", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {data_base, 512, next | write, 2}, {status, 1, write, 0}});
         for (int i = 1; i < 64; ++i)
             g.queues[0].offer(0);
     }},
    {"readable_after_writable", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{status, 1, next | write, 1}, {header, 16, 0, 0}});
     }},
    {"everything_readable", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {status, 1, 0, 0}});
     }},
    {"everything_writable", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 16, next | write, 1}, {status, 1, write, 0}});
     }},
    {"a_short_header", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 15, next, 1}, {status, 1, write, 0}});
     }},
    {"an_empty_chain", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 0, 0, 0}});
     }},
    {"an_empty_status", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {status, 0, write, 0}});
     }},
    {"header_outside_ram", Expect::io_error,
     [](Guest& g) {
         offer(g, {{outside, 16, next, 1}, {status, 1, write, 0}});
     }},
    {"header_at_the_end_of_addresses", Expect::io_error,
     [](Guest& g) {
         offer(g, {{~0ull - 3, 16, next, 1}, {status, 1, write, 0}});
     }},
    {"status_outside_ram", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {outside, 1, write, 0}});
     }},
    {"status_behind_the_end_of_addresses", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {~0ull, 513, write, 0}});
     }},
    {"data_outside_ram", Expect::io_error,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {outside, 512, next | write, 2}, {status, 1, write, 0}});
     }},
    {"data_across_the_end_of_ram", Expect::io_error,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {(16 << 20) - 256, 512, next | write, 2}, {status, 1, write, 0}});
     }},
    {"data_that_wraps_around", Expect::io_error,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {~0ull - 255, 512, next | write, 2}, {status, 1, write, 0}});
     }},
    {"giant_data", Expect::io_error,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {data_base, 0xfffffe00, next | write, 2}, {status, 1, write, 0}});
     }},
    {"more_than_4_gib", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1},
                   {data_base, 0xffffffff, next | write, 2},
                   {data_base, 0xffffffff, next | write, 3},
                   {status, 1, write, 0}});
     }},
    {"data_of_a_strange_length", Expect::io_error,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {data_base, 511, next | write, 2}, {status, 1, write, 0}});
     }},
    {"data_over_header_and_status", Expect::ok,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {header & ~511ull, 512, next | write, 2}, {status, 1, write, 0}});
     }},
    {"a_read_into_the_rings", Expect::silence,
     [](Guest& g) {
         std::fill(g.disk.contents().begin(), g.disk.contents().end(), std::byte{0xff});
         offer(g, {{header, 16, next, 1}, {queue_base, 4096, next | write, 2}, {status, 1, write, 0}});
     }},
    {"sector_behind_the_end", Expect::io_error,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {data_base, 512, next | write, 2}, {status, 1, write, 0}});
         g.bench.store_object(header, blk::Header{blk::type_in, 0, 2048});
     }},
    {"sector_that_overflows", Expect::io_error,
     [](Guest& g) {
         offer(g, {{header, 16, next, 1}, {data_base, 512, next | write, 2}, {status, 1, write, 0}});
         g.bench.store_object(header, blk::Header{blk::type_in, 0, ~0ull / 512});
     }},
    {"a_nested_indirect_table", Expect::needs_reset,
     [](Guest& g) {
         offer_table(g, {{table_base, 16, indirect, 0}}, 16);
     }},
    {"indirect_with_next", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{table_base, 16, indirect | next, 1}, {status, 1, write, 0}});
     }},
    {"indirect_of_no_length", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{table_base, 0, indirect, 0}});
     }},
    {"indirect_of_an_odd_length", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{table_base, 24, indirect, 0}});
     }},
    {"indirect_outside_ram", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{outside, 32, indirect, 0}});
     }},
    {"indirect_that_wraps_around", Expect::needs_reset,
     [](Guest& g) {
         offer(g, {{~0ull - 15, 32, indirect, 0}});
     }},
    {"a_giant_indirect_table", Expect::ok,
     [](Guest& g) {
         offer_table(g, {{header, 16, next, 1}, {data_base, 512, next | write, 2}, {status, 1, write, 0}},
                     0xfffffff0);
     }},
    {"a_giant_indirect_table_outside_ram", Expect::needs_reset,
     [](Guest& g) {
         offer_table(g, {{header, 16, next, 0x7fffu}}, 0xfffffff0);
     }},
    {"an_indirect_loop", Expect::needs_reset,
     [](Guest& g) {
         offer_table(g, {{header, 16, next, 1}, {header, 16, next, 0}}, 32);
     }},
    {"an_indirect_next_outside", Expect::needs_reset,
     [](Guest& g) {
         offer_table(g, {{header, 16, next, 2}, {status, 1, write, 0}}, 32);
     }},
    {"indirect_with_the_write_flag", Expect::ok,
     [](Guest& g) {
         offer_table(g, {{header, 16, next, 1}, {data_base, 512, next | write, 2}, {status, 1, write, 0}},
                     48);
         g.queues[0].set_descriptor(0, {table_base, 48, indirect | write, 0});
     }},
    {"indirect_after_a_direct_one", Expect::ok,
     [](Guest& g) {
         g.bench.store_object(table_base, virtio::Descriptor{data_base, 512, next | write, 1});
         g.bench.store_object(table_base + 16, virtio::Descriptor{status, 1, write, 0});
         offer(g, {{header, 16, next, 1}, {table_base, 32, indirect, 0}});
     }},
    {"indirect_that_was_not_negotiated", Expect::needs_reset,
     [](Guest& g) {
         g.options.features = all_features & ~virtio::feature_indirect_descriptors;
         g.driver->reset();
         g.boot();
         offer_table(g, {{header, 16, next, 1}, {status, 1, write, 0}}, 32);
     }},
    {"a_chain_available_twice_in_flight", Expect::needs_reset,
     [](Guest& g) {
         g.disk.hold(true);
         offer(g, {{header, 16, next, 1}, {data_base, 512, next | write, 2}, {status, 1, write, 0}});
         g.queues[0].offer(0);
         g.driver->kick();
         g.disk.hold(false);
         g.disk.release_all();
     }},
    {"queue_size_0", Expect::needs_reset,
     [](Guest& g) { set_up(g, 0, queue_base, queue_base + 0x1000, queue_base + 0x2000); }},
    {"queue_size_not_a_power_of_two", Expect::needs_reset,
     [](Guest& g) { set_up(g, 48, queue_base, queue_base + 0x1000, queue_base + 0x2000); }},
    {"queue_size_too_large", Expect::needs_reset,
     [](Guest& g) { set_up(g, 512, queue_base, queue_base + 0x2000, queue_base + 0x3000); }},
    {"queue_size_65535", Expect::needs_reset,
     [](Guest& g) { set_up(g, 65535, queue_base, queue_base + 0x2000, queue_base + 0x3000); }},
    {"descriptors_unaligned", Expect::needs_reset,
     [](Guest& g) { set_up(g, 64, queue_base + 8, queue_base + 0x1000, queue_base + 0x2000); }},
    {"available_ring_unaligned", Expect::needs_reset,
     [](Guest& g) { set_up(g, 64, queue_base, queue_base + 0x1001, queue_base + 0x2000); }},
    {"used_ring_unaligned", Expect::needs_reset,
     [](Guest& g) { set_up(g, 64, queue_base, queue_base + 0x1000, queue_base + 0x2002); }},
    {"descriptors_outside_ram", Expect::needs_reset,
     [](Guest& g) { set_up(g, 64, outside, queue_base + 0x1000, queue_base + 0x2000); }},
    {"used_ring_across_the_end_of_ram", Expect::needs_reset,
     [](Guest& g) { set_up(g, 64, queue_base, queue_base + 0x1000, (16 << 20) - 16); }},
    {"used_ring_at_the_end_of_addresses", Expect::needs_reset,
     [](Guest& g) { set_up(g, 64, queue_base, queue_base + 0x1000, ~0ull - 15); }},
    {"all_rings_at_one_place", Expect::silence,
     [](Guest& g) { set_up(g, 64, queue_base, queue_base, queue_base); }},
    {"a_queue_that_is_not_there", Expect::silence,
     [](Guest& g) {
         g.driver->enable(7, 64, queue_base, queue_base, queue_base);
         g.driver->enable(0xffff, 64, queue_base, queue_base, queue_base);
         g.driver->write(0x16, 2, 7);
         EXPECT_EQ(g.driver->read(0x18, 2), 0u);
         for (unsigned i = 0; i < 0x1000; i += 3)
             g.bench.write(g.driver->address(2) + i, 1, i);
     }},
    {"a_doorbell_before_anything", Expect::silence,
     [](Guest& g) {
         g.driver->reset();
         g.driver->notify(0);
     }},
    {"changing_an_enabled_queue", Expect::ok,
     [](Guest& g) {
         g.driver->enable(0, 16, outside, outside, outside);
         offer(g, {{header, 16, next, 1}, {data_base, 512, next | write, 2}, {status, 1, write, 0}});
     }},
};

class VirtioBlkHostile : public testing::TestWithParam<Case> {};

} // namespace

TEST_P(VirtioBlkHostile, IsContained) {
    Guest guest;
    guest.prepare(0, blk::type_in, 0);
    GetParam().act(guest);
    guest.driver->kick();
    const auto config_interrupts = [&] {
        const auto vectors = guest.bench.take_msix("disk0");
        return std::count(vectors.begin(), vectors.end(), 0u);
    };
    switch (GetParam().expect) {
    case Expect::needs_reset:
        EXPECT_TRUE(guest.needs_reset());
        EXPECT_LE(config_interrupts(), 1);
        break;
    case Expect::io_error:
        EXPECT_EQ(guest.status(0), blk::status_io_error);
        EXPECT_FALSE(guest.needs_reset());
        break;
    case Expect::ok:
        EXPECT_EQ(guest.status(0), blk::status_ok);
        EXPECT_FALSE(guest.needs_reset());
        break;
    case Expect::silence:
        break;
    }
    guest.options.features = all_features;
    EXPECT_TRUE(guest.works_after_reset());
}
INSTANTIATE_TEST_SUITE_P(Cases, VirtioBlkHostile, testing::ValuesIn(cases),
                         [](const auto& each) { return each.param.name; });

TEST(VirtioBlkHostileRegisters, NeedsResetIsAConfigurationInterrupt) {
    Guest guest;
    guest.queues[0].offer(1000);
    guest.driver->kick();
    EXPECT_TRUE(guest.needs_reset());
    EXPECT_EQ(guest.bench.take_msix("disk0"), std::vector<unsigned>{0});
    // Nothing is taken any more until a reset; the driver cannot clear the bit itself.
    guest.driver->set_status(0xf & ~virtio::status_needs_reset);
    EXPECT_TRUE(guest.needs_reset());
    EXPECT_TRUE(guest.works_after_reset());
}

TEST(VirtioBlkHostileRegisters, FeatureNegotiation) {
    Guest guest;
    Driver& driver = *guest.driver;
    EXPECT_FALSE(driver.negotiate(all_features & ~virtio::feature_version_1));
    EXPECT_TRUE(driver.negotiate());
    driver.write_features(0); // too late
    EXPECT_EQ(driver.read(0x0c, 4), driver.features() >> 32);
    driver.reset();
    driver.write_features(~std::uint64_t{0}); // more than was offered
    driver.set_status(1 | 2 | 8);
    EXPECT_EQ(driver.status(), 3);
    for (const std::uint32_t select : {2u, 3u, 0xffffffffu}) {
        driver.write(0x00, 4, select);
        EXPECT_EQ(driver.read(0x04, 4), 0u);
        driver.write(0x08, 4, select);
        driver.write(0x0c, 4, ~0u);
        EXPECT_EQ(driver.read(0x0c, 4), 0u);
    }
}

TEST(VirtioBlkHostileRegisters, StatusGames) {
    Guest guest;
    Driver& driver = *guest.driver;
    driver.reset();
    driver.set_status(virtio::status_driver_ok); // without FEATURES_OK
    EXPECT_EQ(driver.status(), 0);
    driver.set_status(0xff);
    EXPECT_EQ(driver.status() & (virtio::status_needs_reset | virtio::status_driver_ok), 0);
    driver.kick();
    driver.reset();
    driver.reset();
    EXPECT_EQ(driver.status(), 0);
    ASSERT_TRUE(driver.negotiate());
    driver.driver_ok();
    driver.set_status(virtio::status_acknowledge); // bits cannot be taken away
    EXPECT_EQ(driver.status(), 0xf);
    EXPECT_TRUE(guest.works_after_reset());
}

// Every offset and width of the BAR and of configuration space, with values that are all ones and zeros.
TEST(VirtioBlkHostileRegisters, EveryOffsetAndWidth) {
    Guest guest;
    const std::uint64_t bar = guest.bench.bar("disk0", 0);
    for (const unsigned width : {1u, 2u, 4u, 8u}) {
        for (std::uint64_t offset = 0; offset + width <= 0x4000; offset += offset % 0x1000 < 0x100 ? 1 : 61) {
            static_cast<void>(guest.bench.read(bar + offset, width));
            guest.bench.write(bar + offset, width, ~0ull);
            guest.bench.write(bar + offset, width, 0);
        }
    }
    guest.bench.run();
    EXPECT_TRUE(guest.works_after_reset());
    for (unsigned offset = 0x40; offset < 256; ++offset)
        static_cast<void>(guest.driver->config(offset, 1));
}

// Section 4.1.4.9: the BAR through configuration space.
TEST(VirtioBlkHostileRegisters, ConfigurationAccessCapability) {
    Guest guest;
    Driver& driver = *guest.driver;
    const unsigned window = driver.capability(5);
    ASSERT_NE(window, 0u);
    const auto aim = [&](std::uint32_t bar, std::uint32_t offset, std::uint32_t length) {
        driver.write_config(window + 4, 1, bar);
        driver.write_config(window + 8, 4, offset);
        driver.write_config(window + 12, 4, length);
    };
    aim(0, 0x2000, 4);
    EXPECT_EQ(driver.config(window + 8, 4), 0x2000u);
    EXPECT_EQ(driver.config(window + 16, 4), guest.disk.contents().size() / 512);
    aim(0, 0x14, 1);
    EXPECT_EQ(driver.config(window + 16, 4), 0xfu);
    aim(0, 0x16, 2);
    driver.write_config(window + 16, 2, 5);
    EXPECT_EQ(driver.read(0x16, 2), 5u);
    driver.write(0x16, 2, 0);
    guest.queues[0].add(guest.prepare(0, blk::type_flush, 0));
    aim(0, 0x3000, 2);
    driver.write_config(window + 16, 2, 0);
    guest.bench.run();
    EXPECT_EQ(guest.status(0), blk::status_ok);
    for (const std::uint32_t bar : {0u, 1u, 2u, 5u, 255u}) {
        for (const std::uint32_t offset : {0u, 3u, 0x3ffeu, 0x3fffu, 0x4000u, 0xffffffffu}) {
            for (const std::uint32_t length : {0u, 1u, 2u, 3u, 4u, 8u, 0xffffffffu}) {
                aim(bar, offset, length);
                for (const unsigned width : {1u, 2u, 4u}) {
                    static_cast<void>(driver.config(window + 16, width));
                    driver.write_config(window + 16, width, 0);
                }
            }
        }
    }
    EXPECT_TRUE(guest.works_after_reset());
}

// Rings of nonsense, always the same.
TEST(VirtioBlkHostileRandom, Rings) {
    std::mt19937_64 random(20260);
    const auto upto = [&](std::uint64_t limit) { return random() % limit; };
    Guest guest;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (unsigned round = 0; round < 60000 && std::chrono::steady_clock::now() < end; ++round) {
        if (guest.needs_reset() || upto(64) == 0) {
            guest.driver->reset();
            guest.bench.run();
            guest.boot();
        }
        for (std::uint64_t i = 0; i < 8; ++i) {
            guest.bench.store_object(
                header_base + 32 * i,
                blk::Header{static_cast<std::uint32_t>(upto(15)), 0, upto(8) == 0 ? random() : upto(2048)});
        }
        const auto any_address = [&]() -> std::uint64_t {
            switch (upto(8)) {
            case 0:
                return random();
            case 1:
                return (16 << 20) - upto(1024);
            case 2:
                return queue_base + upto(4096);
            case 3:
                return table_base + 16 * upto(8);
            case 4:
                return header_base + 32 * upto(8) + 16;
            default:
                return upto(2) == 0 ? header_base + 32 * upto(8) : data_base + upto(1 << 20);
            }
        };
        const auto any_length = [&]() -> std::uint32_t {
            switch (upto(6)) {
            case 0:
                return static_cast<std::uint32_t>(random());
            case 1:
                return static_cast<std::uint32_t>(upto(20));
            case 2:
                return 16;
            case 3:
                return 1;
            default:
                return static_cast<std::uint32_t>(512 * upto(9));
            }
        };
        const auto any = [&](std::uint64_t nexts) {
            std::uint16_t flags = static_cast<std::uint16_t>(upto(4));
            if (upto(16) == 0) flags |= indirect;
            if (upto(64) == 0) flags = static_cast<std::uint16_t>(random());
            return virtio::Descriptor{any_address(), any_length(), flags,
                                      static_cast<std::uint16_t>(upto(32) == 0 ? random() : upto(nexts))};
        };
        for (std::uint16_t i = 0; i < 64; ++i)
            guest.queues[0].set_descriptor(i, any(64));
        for (std::uint64_t i = 0; i < 16; ++i)
            guest.bench.store_object(table_base + 16 * i, any(16));
        for (std::uint64_t i = upto(8); i > 0; --i)
            guest.queues[0].offer(static_cast<std::uint16_t>(upto(200) == 0 ? random() : upto(64)));
        if (upto(100) == 0) guest.queues[0].set_available_index(static_cast<std::uint16_t>(random()));
        guest.driver->kick();
    }
    EXPECT_TRUE(guest.works_after_reset());
}
