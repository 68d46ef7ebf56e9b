#include "core/base/log.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace plugbay::core {
namespace {

TEST(RateLimiter, LetsABurstThroughAndCountsTheRest) {
    constexpr std::uint64_t events = 1000;
    RateLimiter limiter(3);
    std::uint64_t allowed = 0;
    std::uint64_t told = 0;
    for (std::uint64_t i = 0; i < events; ++i) {
        std::uint64_t suppressed = 0;
        if (limiter.allow(suppressed)) ++allowed;
        told += suppressed;
    }
    EXPECT_GE(allowed, 3U);
    EXPECT_LT(allowed, events / 10); // a slow machine may see more than one second begin
    std::uint64_t suppressed = 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    ASSERT_TRUE(limiter.allow(suppressed)) << "a new second";
    EXPECT_EQ(allowed + told + suppressed, events) << "every event was allowed or told of";
}

} // namespace
} // namespace plugbay::core
