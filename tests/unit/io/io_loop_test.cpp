#include "core/io/io_loop.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <random>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace plugbay::core {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t millisecond = 1'000'000;

template <typename Condition>
bool eventually(Condition condition) {
    for (int i = 0; i < 10'000 && !condition(); ++i)
        std::this_thread::sleep_for(1ms);
    return condition();
}

struct CountingFd : FdHandler {
    void ready(std::uint32_t events) override {
        last = events;
        ++calls;
        if (then) then();
    }
    std::atomic<int> calls{0};
    std::atomic<std::uint32_t> last{0};
    std::function<void()> then = {};
};

// Expiries of all timers of a test, in order.
struct Record {
    void add(int timer, std::uint64_t arming) {
        const std::lock_guard guard(mutex);
        entries.emplace_back(timer, arming);
    }
    std::vector<std::pair<int, std::uint64_t>> all() {
        const std::lock_guard guard(mutex);
        return entries;
    }
    std::mutex mutex;
    std::vector<std::pair<int, std::uint64_t>> entries;
};

struct RecordingTimer : TimerHandler {
    RecordingTimer(Record& to, int name) : record(to), number(name) {}
    void expired(std::uint64_t arming) override { record.add(number, arming); }
    Record& record;
    int number;
};

class IoLoopTest : public ::testing::Test {
  protected:
    std::shared_ptr<RecordingTimer> timer(int number) {
        loop->add_timer();
        return std::make_shared<RecordingTimer>(record, number);
    }
    Record record;
    std::unique_ptr<IoLoop> loop = std::move(*IoLoop::create("test"));
    const UniqueFd event{::eventfd(0, EFD_NONBLOCK)};
};

TEST_F(IoLoopTest, ReportsReadinessUntilUnwatched) {
    auto handler = std::make_shared<CountingFd>();
    const auto watch = loop->watch(event.get(), EPOLLIN, handler);
    ASSERT_TRUE(watch);
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(handler->calls, 0);
    ::eventfd_write(event.get(), 1);
    EXPECT_TRUE(eventually([&] { return handler->calls >= 3; })) << "it is level-triggered";
    EXPECT_EQ(handler->last, std::uint32_t{EPOLLIN});
    loop->unwatch(*watch);
    std::this_thread::sleep_for(5ms);
    const int calls = handler->calls;
    std::this_thread::sleep_for(20ms);
    EXPECT_EQ(handler->calls, calls);
    loop->unwatch(*watch); // a second time is harmless
    EXPECT_FALSE(loop->change(*watch, EPOLLIN));
}

TEST_F(IoLoopTest, ChangeSelectsOtherEvents) {
    auto handler = std::make_shared<CountingFd>();
    const auto watch = loop->watch(event.get(), EPOLLIN, handler);
    ASSERT_TRUE(watch);
    ASSERT_TRUE(loop->change(*watch, EPOLLOUT));
    EXPECT_TRUE(eventually([&] { return handler->last == std::uint32_t{EPOLLOUT}; }));
}

TEST_F(IoLoopTest, RefusesWhatCannotBeWatched) {
    EXPECT_FALSE(loop->watch(-1, EPOLLIN, std::make_shared<CountingFd>()));
    const UniqueFd file(::memfd_create("plain", 0));
    EXPECT_FALSE(loop->watch(file.get(), EPOLLIN, std::make_shared<CountingFd>()));
}

TEST_F(IoLoopTest, HandlerMayUnwatchItselfAndIsDestroyedAfterwards) {
    auto handler = std::make_shared<CountingFd>();
    const std::weak_ptr<CountingFd> alive = handler;
    std::atomic<IoLoop::WatchId> id{0};
    std::atomic<int> calls{0};
    handler->then = [&] {
        while (id == 0)
            std::this_thread::yield();
        loop->unwatch(id);
        ++calls;
    };
    ::eventfd_write(event.get(), 1);
    id = *loop->watch(event.get(), EPOLLIN, std::move(handler));
    EXPECT_TRUE(eventually([&] { return alive.expired(); }));
    EXPECT_EQ(calls, 1);
}

TEST_F(IoLoopTest, TimersExpireInTheOrderOfTheirDeadlines) {
    const auto now = IoLoop::now();
    const auto a = timer(1), b = timer(2), c = timer(3);
    loop->arm(a, now + 40 * millisecond);
    loop->arm(b, now + 20 * millisecond);
    loop->arm(c, 0); // long past
    EXPECT_TRUE(eventually([&] { return record.all().size() == 3; }));
    const auto all = record.all();
    EXPECT_EQ(all[0].first, 3);
    EXPECT_EQ(all[1].first, 2);
    EXPECT_EQ(all[2].first, 1);
    EXPECT_GE(IoLoop::now(), now + 40 * millisecond);
}

TEST_F(IoLoopTest, RearmingReplacesAndDisarmingSilences) {
    const auto moved = timer(1), silenced = timer(2), last = timer(3);
    const auto now = IoLoop::now();
    const auto first = loop->arm(moved, now + 3600'000 * millisecond);
    loop->arm(silenced, now + 10 * millisecond);
    const auto disarmed = loop->disarm(*silenced);
    const auto second = loop->arm(moved, now + 20 * millisecond);
    loop->arm(last, now + 40 * millisecond);
    EXPECT_NE(first, second);
    EXPECT_TRUE(eventually([&] { return record.all().size() == 2; }));
    EXPECT_EQ(record.all()[0], std::pair(1, second));
    EXPECT_EQ(record.all()[1].first, 3);
    EXPECT_LT(disarmed, loop->arm(silenced, now)) << "numbers only rise";
}

TEST_F(IoLoopTest, DeadlineFarAwayDoesNotHoldUpOthers) {
    const auto never = timer(1), soon = timer(2);
    loop->arm(never, ~std::uint64_t{0});
    loop->arm(soon, IoLoop::now() + millisecond);
    EXPECT_TRUE(eventually([&] { return record.all().size() == 1; }));
    EXPECT_EQ(record.all()[0].first, 2);
}

// Random armings and disarmings against a plain map; then everything is let expire and must come in order.
TEST_F(IoLoopTest, HeapAgreesWithAModel) {
    constexpr int timer_count = 40;
    for (const unsigned seed : {1U, 2U, 3U}) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        record.entries.clear();
        std::vector<std::shared_ptr<RecordingTimer>> timers;
        for (int i = 0; i < timer_count; ++i)
            timers.push_back(timer(i));
        std::map<int, std::pair<std::uint64_t, std::uint64_t>> model; // timer: deadline, arming
        const auto base = IoLoop::now() + 300 * millisecond;
        for (int step = 0; step < 2000; ++step) {
            const int which = static_cast<int>(random() % timer_count);
            const auto& chosen = timers[static_cast<std::size_t>(which)];
            if (random() % 3 == 0) {
                loop->disarm(*chosen);
                model.erase(which);
            } else {
                const std::uint64_t deadline = base + random() % (20 * millisecond);
                model[which] = {deadline, loop->arm(chosen, deadline)};
            }
        }
        if (IoLoop::now() >= base) GTEST_SKIP() << "the machine is too slow to tell";
        EXPECT_TRUE(eventually([&] { return record.all().size() >= model.size(); }));
        std::this_thread::sleep_for(30ms);
        const auto all = record.all();
        ASSERT_EQ(all.size(), model.size());
        std::uint64_t previous = 0;
        for (const auto& [which, arming] : all) {
            ASSERT_TRUE(model.contains(which));
            EXPECT_EQ(model[which].second, arming);
            EXPECT_GE(model[which].first, previous);
            previous = model[which].first;
        }
        for (const auto& each : timers)
            loop->remove_timer(*each);
    }
}

TEST_F(IoLoopTest, EndsWithThingsPending) {
    auto handler = std::make_shared<CountingFd>();
    ASSERT_TRUE(loop->watch(event.get(), EPOLLIN, handler));
    auto pending = timer(1);
    loop->arm(pending, IoLoop::now() + 3600'000 * millisecond);
    const std::weak_ptr<CountingFd> watched = std::exchange(handler, nullptr);
    const std::weak_ptr<RecordingTimer> armed = std::exchange(pending, nullptr);
    EXPECT_FALSE(armed.expired()) << "the loop keeps it while it is armed";
    loop.reset();
    EXPECT_TRUE(watched.expired());
    EXPECT_TRUE(armed.expired());
    EXPECT_TRUE(record.all().empty());
}

} // namespace
} // namespace plugbay::core
