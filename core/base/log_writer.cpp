#include "core/base/log_writer.hpp"

#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <deque>
#include <mutex>
#include <pthread.h>
#include <system_error>
#include <thread>
#include <utility>

namespace plugbay::core {

namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 20;

std::size_t bytes_of(const LogRecord& record) {
    return sizeof record + record.source.size() + record.text.size();
}

LogRecord note_of_loss(std::uint64_t count) {
    return {.time = std::chrono::system_clock::now(),
            .level = LogLevel::warn,
            .source = "log",
            .text = std::to_string(count) + (count == 1 ? " line was" : " lines were") +
                    " lost: they could not be written, or came too fast"};
}

} // namespace

struct LogWriter::Queue {
    explicit Queue(Target written_to) : target(std::move(written_to)) {}

    const Target target;
    std::mutex mutex; // for what follows; never held while the target writes. Nothing is taken under it
    std::condition_variable changed;
    std::deque<LogRecord> waiting;
    std::size_t bytes = 0;  // of `waiting`
    std::uint64_t lost = 0; // not yet told of
    bool writing = false;
    bool ending = false;
};

Result<std::unique_ptr<LogWriter>> LogWriter::start(Target target) {
    auto queue = std::make_shared<Queue>(std::move(target));
    // The thread inherits the mask: signals are the control thread's.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    Result<std::unique_ptr<LogWriter>> result(std::unique_ptr<LogWriter>(new LogWriter(queue)));
    try {
        std::thread([queue] { thread_main(queue); }).detach();
    } catch (const std::system_error& error) {
        queue->ending = true;
        result = Error{std::string("cannot start the log's thread: ") + error.what()};
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return result;
}

LogWriter::~LogWriter() {
    flush(std::chrono::seconds(1));
    const std::lock_guard guard(queue_->mutex);
    queue_->ending = true;
    queue_->changed.notify_all();
}

void LogWriter::push(LogRecord record) {
    // Nobody is shown more of it anyway.
    if (record.text.size() > longest_log_text + 1) record.text.resize(longest_log_text + 1);
    const std::lock_guard guard(queue_->mutex);
    queue_->bytes += bytes_of(record);
    queue_->waiting.push_back(std::move(record));
    while (queue_->bytes > most_bytes) {
        queue_->bytes -= bytes_of(queue_->waiting.front());
        queue_->waiting.pop_front();
        ++queue_->lost;
    }
    if (!queue_->writing) queue_->changed.notify_all();
}

bool LogWriter::flush(std::chrono::milliseconds limit) {
    std::unique_lock guard(queue_->mutex);
    return queue_->changed.wait_for(
        guard, limit, [&] { return queue_->ending || (queue_->waiting.empty() && !queue_->writing); });
}

void LogWriter::thread_main(const std::shared_ptr<Queue>& queue) {
    ::pthread_setname_np(::pthread_self(), "log");
    std::unique_lock guard(queue->mutex);
    for (;;) {
        queue->changed.wait(guard, [&] { return queue->ending || !queue->waiting.empty(); });
        if (queue->ending) return;
        queue->writing = true;
        while (!queue->waiting.empty()) {
            const std::uint64_t lost = std::exchange(queue->lost, 0);
            const LogRecord record = std::move(queue->waiting.front());
            queue->waiting.pop_front();
            queue->bytes -= bytes_of(record);
            guard.unlock();
            std::uint64_t lost_now = 0;
            if (lost != 0 && !queue->target(note_of_loss(lost))) lost_now += lost;
            if (!queue->target(record)) ++lost_now;
            guard.lock();
            queue->lost += lost_now;
        }
        queue->writing = false;
        queue->changed.notify_all();
    }
}

} // namespace plugbay::core
