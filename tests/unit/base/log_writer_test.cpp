#include "core/base/log_writer.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <vector>

namespace plugbay::core {
namespace {

using namespace std::chrono_literals;

// What was written, and a door that a test can close to have the target stand still. Shared with the writer's thread,
// which may outlive the test.
struct Paper {
    std::mutex mutex;
    std::condition_variable changed;
    bool closed = false;
    bool failing = false;
    bool waiting = false; // the target stands before the closed door
    std::vector<std::string> lines;

    bool write(const LogRecord& record) {
        std::unique_lock guard(mutex);
        waiting = closed;
        changed.notify_all();
        changed.wait(guard, [&] { return !closed; });
        waiting = false;
        if (failing) return false;
        lines.push_back(log_line(record, LogFormat::undated));
        return true;
    }
    void set(bool& flag, bool value) {
        const std::lock_guard guard(mutex);
        flag = value;
        changed.notify_all();
    }
    void wait_for_reader() {
        std::unique_lock guard(mutex);
        changed.wait(guard, [&] { return waiting; });
    }
};

class Writer : public ::testing::Test {
  protected:
    void SetUp() override {
        auto writer =
            LogWriter::start([paper = paper_](const LogRecord& record) { return paper->write(record); });
        ASSERT_TRUE(writer) << writer.error().text();
        writer_ = std::move(*writer);
    }
    void push(std::string text) { writer_->push({.source = "x", .text = std::move(text)}); }

    const std::shared_ptr<Paper> paper_ = std::make_shared<Paper>();
    std::unique_ptr<LogWriter> writer_;
};

TEST_F(Writer, WritesInOrder) {
    for (int i = 0; i < 100; ++i)
        push(std::to_string(i));
    ASSERT_TRUE(writer_->flush(10s));
    ASSERT_EQ(paper_->lines.size(), 100U);
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(paper_->lines[static_cast<std::size_t>(i)], "x: " + std::to_string(i));
}

TEST_F(Writer, IsNotWaitedForAndDropsTheOldest) {
    constexpr int count = 100000;
    paper_->set(paper_->closed, true);
    push("first");
    paper_->wait_for_reader();
    for (int i = 0; i < count; ++i) // would wait for ever if it waited
        push("line " + std::to_string(i));
    EXPECT_FALSE(writer_->flush(10ms));
    paper_->set(paper_->closed, false);
    ASSERT_TRUE(writer_->flush(30s));

    ASSERT_GE(paper_->lines.size(), 3U);
    EXPECT_EQ(paper_->lines[0], "x: first");
    EXPECT_EQ(paper_->lines.back(), "x: line " + std::to_string(count - 1));
    const std::size_t shown = paper_->lines.size() - 2;
    EXPECT_EQ(paper_->lines[1], "log: " + std::to_string(count - static_cast<int>(shown)) +
                                    " lines were lost: they could not be written, or came too fast");
    EXPECT_EQ(paper_->lines[2], "x: line " + std::to_string(count - static_cast<int>(shown)));
}

TEST_F(Writer, HoldsNoMoreThanAMebibyte) {
    paper_->set(paper_->closed, true);
    push("first");
    paper_->wait_for_reader();
    for (int i = 0; i < 300; ++i)
        push(std::string(100000, 'a'));
    paper_->set(paper_->closed, false);
    ASSERT_TRUE(writer_->flush(30s));
    EXPECT_LE(paper_->lines.size(), 2 + (std::size_t{1} << 20) / longest_log_text);
}

TEST_F(Writer, SaysWhatCouldNotBeWritten) {
    paper_->set(paper_->failing, true);
    push("a");
    push("b");
    ASSERT_TRUE(writer_->flush(10s));
    paper_->set(paper_->failing, false);
    push("c");
    ASSERT_TRUE(writer_->flush(10s));
    EXPECT_EQ(paper_->lines,
              (std::vector<std::string>{"log: 2 lines were lost: they could not be written, or came too fast",
                                        "x: c"}));
}

TEST_F(Writer, IsLeftWhenItsTargetIsStuck) {
    paper_->set(paper_->closed, true);
    push("first");
    paper_->wait_for_reader();
    const auto before = std::chrono::steady_clock::now();
    writer_.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - before, 20s);
    paper_->set(paper_->closed, false);
}

TEST_F(Writer, ManyThreadsMayPush) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([this] {
            for (int line = 0; line < 500; ++line)
                push("a line");
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    ASSERT_TRUE(writer_->flush(10s));
    EXPECT_EQ(paper_->lines.size(), 2000U);
}

TEST(LogWriter, ItsThreadTakesNoSignals) {
    auto blocked = std::make_shared<std::atomic<bool>>(false);
    auto writer = LogWriter::start([blocked](const LogRecord&) {
        sigset_t mask;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
        *blocked = ::sigismember(&mask, SIGTERM) == 1 && ::sigismember(&mask, SIGINT) == 1;
        return true;
    });
    ASSERT_TRUE(writer);
    (*writer)->push({});
    ASSERT_TRUE((*writer)->flush(10s));
    EXPECT_TRUE(*blocked);
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    EXPECT_EQ(::sigismember(&mask, SIGTERM), 0) << "the starter's own mask is as before";
}

} // namespace
} // namespace plugbay::core
