#include "core/device/interrupt_lines.hpp"

#include "tests/unit/device/fake_platform.hpp"

#include <gmock/gmock.h>
#include <thread>

namespace plugbay::core {
namespace {

using ::testing::HasSubstr;

class InterruptLinesTest : public ::testing::Test {
  protected:
    std::unique_ptr<InterruptLines::Claim> claim(std::uint32_t gsi, bool shared, const std::string& owner) {
        auto claimed = lines.claim(gsi, shared, owner);
        EXPECT_TRUE(claimed) << claimed.error().text();
        return std::move(*claimed);
    }
    FakePlatform platform;
    InterruptLines lines{platform};
};

TEST_F(InterruptLinesTest, SharedLineIsTheOrOfItsClaims) {
    const auto a = claim(10, true, "a");
    const auto b = claim(10, true, "b");
    const std::pair<bool, bool> steps[] = {{true, false}, {true, true},   {false, true},
                                           {false, true}, {false, false}, {true, false}};
    for (const auto& [first, second] : steps) {
        a->set(first);
        b->set(second);
        EXPECT_EQ(platform.level(10).value_or(false), first || second);
    }
    EXPECT_EQ(platform.levels().size(), 3U) << "only changes reach the platform";
}

TEST_F(InterruptLinesTest, RefusesWhatCannotBeShared) {
    for (const auto& [first, second] : {std::pair{false, false}, {false, true}, {true, false}}) {
        const auto holder = claim(4, first, "com1");
        const auto refused = lines.claim(4, second, "com3");
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().text(), HasSubstr("com1"));
        EXPECT_THAT(refused.error().text(), HasSubstr("com3"));
    }
    EXPECT_TRUE(lines.claim(4, false, "com3")) << "free again";
    EXPECT_FALSE(lines.claim(InterruptLines::count, false, "x"));
}

TEST_F(InterruptLinesTest, ReleaseLowersItsShareOnly) {
    auto a = claim(10, true, "a");
    auto b = claim(10, true, "b");
    a->set(true);
    b->set(true);
    a.reset();
    EXPECT_EQ(platform.level(10), true);
    b.reset();
    EXPECT_EQ(platform.level(10), false);
}

TEST_F(InterruptLinesTest, RefusalNamesOneWhoIsStillThere) {
    auto a = claim(10, true, "gone");
    const auto b = claim(10, true, "present");
    a.reset();
    EXPECT_THAT(lines.claim(10, false, "c").error().text(), HasSubstr("\"present\""));
}

// Two threads on one claim, while another claim holds the line up: it never drops.
TEST_F(InterruptLinesTest, ConcurrentChangesNeverShowALevelThatNobodyDrives) {
    const auto holder = claim(10, true, "holder");
    const auto claimed = claim(10, true, "busy");
    holder->set(true);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 50'000; ++i)
                claimed->set(i % 2 == 0);
        });
    }
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(platform.levels().size(), 1U);
}

} // namespace
} // namespace plugbay::core
