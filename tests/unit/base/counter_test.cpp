#include "core/base/counter.hpp"

#include "core/base/tick_clock.hpp"

#include <chrono>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace plugbay::core {
namespace {

TEST(LatencyHistogram, BucketsArePowersOfTwo) {
    EXPECT_EQ(LatencyHistogram::bucket_of(0), 0U);
    EXPECT_EQ(LatencyHistogram::bucket_of(1), 1U);
    EXPECT_EQ(LatencyHistogram::bucket_of(2), 2U);
    EXPECT_EQ(LatencyHistogram::bucket_of(3), 2U);
    EXPECT_EQ(LatencyHistogram::bucket_of(4), 3U);
    EXPECT_EQ(LatencyHistogram::bucket_of(1023), 10U);
    EXPECT_EQ(LatencyHistogram::bucket_of(1024), 11U);
    EXPECT_EQ(LatencyHistogram::bucket_of(~std::uint64_t{0}), LatencyHistogram::bucket_count - 1);
}

TEST(LatencyHistogram, Counts) {
    LatencyHistogram histogram;
    for (const std::uint64_t nanoseconds : {0, 5, 6, 7, 8})
        histogram.add(nanoseconds);
    EXPECT_EQ(histogram.bucket(0), 1U);
    EXPECT_EQ(histogram.bucket(3), 3U);
    EXPECT_EQ(histogram.bucket(4), 1U);
}

TEST(SharedCounter, TakesAllThreads) {
    SharedCounter counter;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int n = 0; n < 10'000; ++n)
                counter.add();
        });
    }
    for (std::thread& each : threads)
        each.join();
    EXPECT_EQ(counter.value(), 40'000U);
}

TEST(TickClock, MeasuresNanoseconds) {
    const TickClock clock;
    LatencyHistogram histogram;
    {
        const Stopwatch watch(clock.scale(), histogram);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    std::uint64_t below = 0;
    for (std::size_t bucket = 0; bucket < LatencyHistogram::bucket_of(19'000'000); ++bucket)
        below += histogram.bucket(bucket);
    EXPECT_EQ(below, 0U) << "20 ms are not less than 16.8";
    std::uint64_t all = below;
    for (std::size_t bucket = LatencyHistogram::bucket_of(19'000'000);
         bucket < LatencyHistogram::bucket_count; ++bucket)
        all += histogram.bucket(bucket);
    EXPECT_EQ(all, 1U);
    EXPECT_EQ(histogram.bucket(LatencyHistogram::bucket_count - 1), 0U);
}

TEST(Stopwatch, WithoutAScaleDoesNothing) {
    LatencyHistogram histogram;
    { const Stopwatch watch(0, histogram); }
    for (std::size_t bucket = 0; bucket < LatencyHistogram::bucket_count; ++bucket)
        EXPECT_EQ(histogram.bucket(bucket), 0U);
}

} // namespace
} // namespace plugbay::core
