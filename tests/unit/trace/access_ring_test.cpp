// The ring between where devices are entered and who reads of it.
#include "core/trace/access_ring.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace plugbay::core {
namespace {

AccessRecord numbered(std::uint64_t number) {
    return {.time = number, .value = ~number};
}

TEST(AccessRing, GivesWhatWasWrittenInItsOrder) {
    AccessRing ring(8);
    AccessRecord record;
    EXPECT_FALSE(ring.read(record));
    for (std::uint64_t round = 0; round < 100; ++round) { // many times around
        for (std::uint64_t i = 0; i < 5; ++i)
            EXPECT_TRUE(ring.write(numbered(5 * round + i)));
        for (std::uint64_t i = 0; i < 5; ++i) {
            ASSERT_TRUE(ring.read(record));
            EXPECT_EQ(record.time, 5 * round + i);
            EXPECT_EQ(record.value, ~record.time);
        }
        EXPECT_FALSE(ring.read(record));
    }
    EXPECT_EQ(ring.written(), 500u);
    EXPECT_EQ(ring.taken(), 500u);
    EXPECT_EQ(ring.lost(), 0u);
}

TEST(AccessRing, CountsWhatFindsNoRoomAndKeepsWhatIsThere) {
    AccessRing ring(4);
    for (std::uint64_t i = 0; i < 4; ++i)
        EXPECT_TRUE(ring.write(numbered(i)));
    EXPECT_FALSE(ring.write(numbered(4)));
    EXPECT_FALSE(ring.write(numbered(5)));
    EXPECT_EQ(ring.lost(), 2u);
    AccessRecord record;
    ASSERT_TRUE(ring.read(record));
    EXPECT_EQ(record.time, 0u);
    EXPECT_TRUE(ring.write(numbered(6)));
    for (const std::uint64_t expected : {1u, 2u, 3u, 6u}) {
        ASSERT_TRUE(ring.read(record));
        EXPECT_EQ(record.time, expected);
    }
    EXPECT_FALSE(ring.read(record));
}

// None is torn, doubled or out of its writer's order, and each is either read or counted.
TEST(AccessRing, WritersDoNotDisturbEachOther) {
    constexpr std::uint64_t each = 50'000;
    constexpr std::size_t count = 3;
    AccessRing ring(256);
    std::atomic<std::size_t> writing{count};
    std::vector<std::thread> writers;
    for (std::size_t number = 0; number < count; ++number) {
        writers.emplace_back([&, number] {
            for (std::uint64_t i = 1; i <= each; ++i) {
                AccessRecord record = numbered(i);
                record.vcpu = static_cast<std::int16_t>(number);
                record.offset = i ^ number;
                ring.write(record);
            }
            --writing;
        });
    }
    std::array<std::uint64_t, count> last{};
    std::uint64_t got = 0;
    AccessRecord record;
    for (;;) {
        const bool over = writing == 0;
        while (ring.read(record)) {
            ++got;
            const auto number = static_cast<std::size_t>(record.vcpu);
            ASSERT_LT(number, count);
            EXPECT_GT(record.time, last[number]);
            EXPECT_EQ(record.value, ~record.time);
            EXPECT_EQ(record.offset, record.time ^ number);
            last[number] = record.time;
        }
        if (over) break;
    }
    for (std::thread& writer : writers)
        writer.join();
    EXPECT_EQ(got, ring.written());
    EXPECT_EQ(got + ring.lost(), each * count);
}

} // namespace
} // namespace plugbay::core
