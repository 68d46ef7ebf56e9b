// Crashes from which a thread comes back.
#include "core/base/crash_guard.hpp"

#include "tests/crash.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <thread>

namespace plugbay::core {
namespace {

class CrashGuard : public ::testing::Test {
  protected:
    void SetUp() override {
#ifdef __SANITIZE_THREAD__
        GTEST_SKIP() << "a thread does not survive a jump out of a signal handler under this sanitizer";
#endif
    }
    CrashHandlers handlers_;
};

TEST_F(CrashGuard, ComesBackFromAnAccessToNowhere) {
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(run_guarded(crash), SIGSEGV);
    auto nothing = [] {};
    EXPECT_EQ(run_guarded(nothing), 0);
}

// Again and again: the stack that the signal is handled on is free after each.
TEST_F(CrashGuard, ComesBackFromAStackThatIsUsedUp) {
    auto recurse = [] {
        volatile int depth = 0;
        static_cast<void>(use_up_stack(depth));
    };
    for (int thread = 0; thread < 2; ++thread) {
        std::thread([&] {
            for (int i = 0; i < 3; ++i)
                EXPECT_EQ(run_guarded(recurse), SIGSEGV);
        }).join();
    }
    EXPECT_EQ(run_guarded(recurse), SIGSEGV);
}

} // namespace
} // namespace plugbay::core
