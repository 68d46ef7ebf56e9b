#include "core/base/rate_limiter.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace plugbay::core {
namespace {

TEST(RateLimiter, LetsABurstThroughAndCountsTheRest) {
    constexpr std::uint64_t events = 1000;
    RateLimiter limiter(3, 5);
    std::uint64_t allowed = 0;
    std::uint64_t told = 0;
    for (std::uint64_t i = 0; i < events; ++i) {
        std::uint64_t suppressed = 0;
        if (limiter.allow(suppressed)) ++allowed;
        told += suppressed;
    }
    EXPECT_GE(allowed, 5U);
    EXPECT_LT(allowed, events / 10); // a slow machine may take a second over it
    std::uint64_t suppressed = 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    ASSERT_TRUE(limiter.allow(suppressed)) << "a second later";
    EXPECT_EQ(allowed + told + suppressed, events) << "every event was allowed or told of";
}

} // namespace
} // namespace plugbay::core
