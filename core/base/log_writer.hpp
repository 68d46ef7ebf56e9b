// The thread that writes the log, so that nobody who logs waits for a terminal, a pipe or a disk.
#pragma once

#include "core/base/log_line.hpp"
#include "core/base/result.hpp"

#include <chrono>
#include <functional>
#include <memory>

namespace plugbay::core {

// Lines wait in a queue of bounded size. When it is full the oldest go, and a line in their place says how many.
class LogWriter {
  public:
    // Called on the writer's thread, one record at a time; may block for as long as it likes. False: the line is lost.
    using Target = std::function<bool(const LogRecord&)>;

    // The error: the system has no thread to give.
    [[nodiscard]] static Result<std::unique_ptr<LogWriter>> start(Target target);
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;
    // Flushes for at most a second. A target that is still stuck then is left to its thread.
    ~LogWriter();

    // Thread: any. Never waits for the target.
    void push(LogRecord record);
    // Thread: any but the writer's. True when everything pushed before has been written.
    bool flush(std::chrono::milliseconds limit);

  private:
    struct Queue;
    explicit LogWriter(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}
    static void thread_main(const std::shared_ptr<Queue>& queue);

    const std::shared_ptr<Queue> queue_; // shared with the thread, which may outlive this
};

} // namespace plugbay::core
