// Jobs on worker threads, and host events.
#include "tests/unit/device/device_fixture.hpp"

#include <gmock/gmock.h>

namespace plugbay::core {
namespace {

class WorkQueues : public DeviceTest {
  protected:
    WorkQueues() {
        script.work = [this](std::uint64_t) {
            ++working;
            while (!go)
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            --working;
            ++worked;
        };
        script.done = [this](std::uint64_t token) {
            EXPECT_TRUE(lock.held());
            EXPECT_TRUE(loop->on_this_thread());
            done += token;
        };
        device = run("w", script);
        EXPECT_EQ(table().create(script.host, 16, &queue), PLUGBAY_OK);
    }
    ~WorkQueues() override {
        go = true;
        EXPECT_TRUE(device->quiesce());
    }
    [[nodiscard]] const plugbay_worker_host& table() const {
        return script.table<plugbay_worker_host>(PLUGBAY_WORKER);
    }
    plugbay_status submit(std::uint64_t token) { return table().submit(script.host, queue, token); }

    std::atomic<bool> go{true};
    std::atomic<int> working{0};
    std::atomic<int> worked{0};
    std::atomic<std::uint64_t> done{0};
    Script script;
    std::unique_ptr<Device> device;
    plugbay_handle queue{};
};

TEST_F(WorkQueues, RunJobsElsewhereAndSayWhenTheyAreDone) {
    for (std::uint64_t i = 1; i <= 10; ++i)
        EXPECT_EQ(submit(i), PLUGBAY_OK);
    EXPECT_TRUE(eventually([&] { return done == 55; }));
    EXPECT_EQ(worked, 10);
}

TEST_F(WorkQueues, AreBoundedAndUseSeveralThreads) {
    go = false;
    for (std::uint64_t i = 0; i < 16; ++i)
        EXPECT_EQ(submit(1), PLUGBAY_OK);
    EXPECT_EQ(submit(1), PLUGBAY_NO_MEMORY);
    EXPECT_TRUE(eventually([&] { return working == static_cast<int>(WorkerPool::most_threads); }));
    std::string listed;
    device->resources().each([&](const Resource& each) { listed += each.describe(); });
    EXPECT_EQ(listed, "work queue, 16 of 16 jobs");
    go = true;
    EXPECT_TRUE(eventually([&] { return done == 16; }));
    EXPECT_EQ(submit(1), PLUGBAY_OK);
}

TEST_F(WorkQueues, QuiesceWaitsForWorkAndHoldsTheRestBack) {
    go = false;
    for (std::uint64_t i = 0; i < 10; ++i)
        EXPECT_EQ(submit(1), PLUGBAY_OK);
    EXPECT_TRUE(eventually([&] { return working == 8; }));
    std::thread opener([&] {
        let_pass();
        go = true;
    });
    EXPECT_TRUE(device->quiesce());
    opener.join();
    EXPECT_EQ(working, 0);
    const int before = worked;
    const std::uint64_t done_before = done;
    EXPECT_EQ(submit(100), PLUGBAY_OK); // waits
    let_pass();
    EXPECT_EQ(worked, before);
    EXPECT_EQ(done, done_before);
    device->resume();
    EXPECT_TRUE(eventually([&] { return done == 110; }));
}

TEST_F(WorkQueues, AreServedWhileTheDeviceDrains) {
    script.done = [this](std::uint64_t token) {
        done += token;
        if (done == 3) script.host->quiesced(script.host);
    };
    script.quiesce = [this] {
        EXPECT_EQ(submit(1), PLUGBAY_OK);
        EXPECT_EQ(submit(2), PLUGBAY_OK);
        return PLUGBAY_PENDING;
    };
    EXPECT_TRUE(device->quiesce());
    EXPECT_EQ(done, 3u);
    script.quiesce = {};
    device->resume();
}

TEST_F(WorkQueues, DestructionWaitsForWork) {
    go = false;
    for (std::uint64_t i = 0; i < 12; ++i)
        EXPECT_EQ(submit(1), PLUGBAY_OK);
    EXPECT_TRUE(eventually([&] { return working == 8; }));
    std::thread opener([&] {
        let_pass();
        go = true;
    });
    EXPECT_EQ(table().destroy(script.host, queue), PLUGBAY_OK);
    EXPECT_EQ(working, 0);
    EXPECT_EQ(worked, 8); // the others were forgotten
    opener.join();
    EXPECT_EQ(submit(1), PLUGBAY_STALE);
    EXPECT_EQ(table().destroy(script.host, queue), PLUGBAY_STALE);
    const std::uint64_t before = done;
    let_pass();
    EXPECT_EQ(done, before);
}

TEST_F(WorkQueues, JobsOfADeviceThatIsCreatedWaitForItsStart) {
    Script second;
    std::atomic<int> count{0};
    plugbay_handle own{};
    second.work = [&](std::uint64_t) { ++count; };
    second.create = [&](const plugbay_host* host) {
        EXPECT_EQ(table().create(host, 0, &own), PLUGBAY_INVALID);
        EXPECT_EQ(table().create(host, PLUGBAY_WORKER_MOST_JOBS + 1, &own), PLUGBAY_INVALID);
        EXPECT_EQ(table().create(host, 4, &own), PLUGBAY_OK);
        return table().submit(host, own, 1);
    };
    auto other = make("second");
    ASSERT_TRUE(create(*other, second));
    let_pass();
    EXPECT_EQ(count, 0);
    EXPECT_TRUE(other->start());
    EXPECT_TRUE(eventually([&] { return count == 1; }));
    EXPECT_TRUE(other->quiesce());
}

class HostEventHooks : public DeviceTest {
  protected:
    HostEventHooks() {
        script.event = [this](std::uint64_t token, const plugbay_host_event& event) {
            const std::lock_guard guard(mutex);
            tokens.push_back(token);
            heard.push_back(event);
        };
        device = run("e", script);
    }
    ~HostEventHooks() override { EXPECT_TRUE(device->quiesce()); }
    [[nodiscard]] const plugbay_host_event_host& table() const {
        return script.table<plugbay_host_event_host>(PLUGBAY_HOST_EVENT);
    }
    [[nodiscard]] std::size_t count() {
        const std::lock_guard guard(mutex);
        return heard.size();
    }
    std::mutex mutex;
    std::vector<std::uint64_t> tokens;
    std::vector<plugbay_host_event> heard;
    Script script;
    std::unique_ptr<Device> device;
    plugbay_handle subscription{};
};

TEST_F(HostEventHooks, ReachSubscribersOfTheirKind) {
    ASSERT_EQ(table().subscribe(script.host, PLUGBAY_EVENT_KEY | PLUGBAY_EVENT_RESIZE, 5, &subscription),
              PLUGBAY_OK);
    const plugbay_host_event move{PLUGBAY_EVENT_MOVE, 0, 1, 1, 0, 0};
    const plugbay_host_event key{PLUGBAY_EVENT_KEY, 30, 1, 0, 0, 99};
    EXPECT_EQ(table().publish(script.host, &move), PLUGBAY_OK);
    EXPECT_EQ(table().publish(script.host, &key), PLUGBAY_OK);
    EXPECT_TRUE(eventually([&] { return count() == 1; }));
    EXPECT_EQ(heard[0].code, 30u);
    EXPECT_EQ(heard[0].dropped, 0u);
    EXPECT_EQ(tokens[0], 5u);
    EXPECT_EQ(table().unsubscribe(script.host, subscription), PLUGBAY_OK);
    EXPECT_EQ(table().unsubscribe(script.host, subscription), PLUGBAY_STALE);
    EXPECT_EQ(table().publish(script.host, &key), PLUGBAY_OK);
    let_pass();
    EXPECT_EQ(count(), 1u);
}

TEST_F(HostEventHooks, WaitWhileQuiescedAndTheOldestAreDropped) {
    ASSERT_EQ(table().subscribe(script.host, PLUGBAY_EVENT_ALL, 0, &subscription), PLUGBAY_OK);
    ASSERT_TRUE(device->quiesce());
    for (std::int32_t i = 0; i < 1000; ++i)
        events.publish({PLUGBAY_EVENT_MOVE, 0, i, 0, 0, 0});
    let_pass();
    EXPECT_EQ(count(), 0u);
    device->resume();
    EXPECT_TRUE(eventually([&] { return count() == 256; }));
    EXPECT_EQ(heard.front().x, 744);
    EXPECT_EQ(heard.front().dropped, 744u);
    EXPECT_EQ(heard.back().x, 999);
    EXPECT_EQ(heard.back().dropped, 0u);
}

TEST_F(HostEventHooks, NonsenseIsRefused) {
    EXPECT_EQ(table().subscribe(script.host, 0, 0, &subscription), PLUGBAY_INVALID);
    EXPECT_EQ(table().subscribe(script.host, 64, 0, &subscription), PLUGBAY_INVALID);
    for (const std::uint32_t kind : {0u, 3u, 64u, ~0u}) {
        const plugbay_host_event event{kind, 0, 0, 0, 0, 0};
        EXPECT_EQ(table().publish(script.host, &event), PLUGBAY_INVALID);
    }
    EXPECT_EQ(table().publish(script.host, nullptr), PLUGBAY_INVALID);
}

TEST_F(HostEventHooks, ASubscriberMayLeaveInsideAnEvent) {
    ASSERT_EQ(table().subscribe(script.host, PLUGBAY_EVENT_ALL, 0, &subscription), PLUGBAY_OK);
    std::atomic<int> calls{0};
    script.event = [&](std::uint64_t, const plugbay_host_event&) {
        ++calls;
        EXPECT_EQ(table().unsubscribe(script.host, subscription), PLUGBAY_OK);
    };
    {
        const std::lock_guard guard(lock); // both are there before the first is delivered
        events.publish({PLUGBAY_EVENT_TICK, 0, 0, 0, 0, 0});
        events.publish({PLUGBAY_EVENT_TICK, 0, 0, 0, 0, 0});
    }
    EXPECT_TRUE(eventually([&] { return calls == 1; }));
    let_pass();
    EXPECT_EQ(calls, 1);
}

} // namespace
} // namespace plugbay::core
