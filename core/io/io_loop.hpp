// One I/O loop: a thread that waits for file descriptors and deadlines and calls whoever asked. Devices live
// on a loop; the two ends of a link on the same one.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/unique_fd.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace plugbay::core {

// Called on the loop's thread. `events`: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR. Level-triggered.
class FdHandler {
  public:
    virtual ~FdHandler() = default;
    virtual void ready(std::uint32_t events) = 0;
};

// A deadline. The loop keeps it alive while it is armed. Members other than expired() belong to the loop.
class TimerHandler {
  public:
    virtual ~TimerHandler() = default;
    // [loop] The deadline of arming number `arming` passed. Later arm() or disarm() calls make the number
    // stale; the implementation compares it with the one it last received, under its own lock.
    virtual void expired(std::uint64_t arming) = 0;

  private:
    friend class IoLoop;
    static constexpr std::size_t not_armed = ~std::size_t{0};
    std::size_t heap_index_ = not_armed;
    std::uint64_t deadline_ = 0;
    std::uint64_t arming_ = 0;
};

// Thread: every member from any thread.
class IoLoop {
  public:
    // Starts the thread, named for debuggers.
    [[nodiscard]] static Result<std::unique_ptr<IoLoop>> create(const std::string& name);
    IoLoop(const IoLoop&) = delete;
    IoLoop& operator=(const IoLoop&) = delete;
    // Stops and joins the thread; never called on it.
    ~IoLoop();

    using WatchId = std::uint64_t;
    // `fd` is borrowed until unwatch. EPERM: the kernel cannot watch this kind of file. The handler may be
    // called once more after unwatch returns, if it was just about to be.
    [[nodiscard]] Result<WatchId> watch(int fd, std::uint32_t events, std::shared_ptr<FdHandler> handler);
    [[nodiscard]] Result<void> change(WatchId watch, std::uint32_t events);
    void unwatch(WatchId watch);

    // Room for one more timer, so that arm() never allocates. Paired with remove_timer().
    void add_timer();
    void remove_timer(TimerHandler& timer);
    // `deadline`: nanoseconds on CLOCK_MONOTONIC. Returns the number that expired() will carry.
    std::uint64_t arm(const std::shared_ptr<TimerHandler>& timer, std::uint64_t deadline);
    // Returns a number that no expired() carries.
    std::uint64_t disarm(TimerHandler& timer);

    [[nodiscard]] bool on_this_thread() const { return std::this_thread::get_id() == thread_.get_id(); }
    [[nodiscard]] static std::uint64_t now();

  private:
    struct Watch {
        int fd;
        std::shared_ptr<FdHandler> handler;
    };

    IoLoop(UniqueFd epoll, UniqueFd wake, UniqueFd alarm);
    void run(const std::string& name);
    void run_timers();
    void set_alarm();
    void heap_remove(std::size_t index);
    void heap_up(std::size_t index);
    void heap_down(std::size_t index);
    void heap_place(std::size_t index, std::shared_ptr<TimerHandler> timer);

    static constexpr WatchId wake_id = 0;
    static constexpr WatchId alarm_id = 1;

    UniqueFd epoll_;
    UniqueFd wake_;
    UniqueFd alarm_; // a timerfd set to the heap's first deadline
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    WatchId next_id_ = 2;                             // guarded by mutex_
    std::unordered_map<WatchId, Watch> watches_;      // guarded by mutex_
    std::vector<std::shared_ptr<TimerHandler>> heap_; // guarded by mutex_; a binary heap by deadline
    std::size_t timer_count_ = 0; // guarded by mutex_; the heap's capacity is at least this
    std::thread thread_;
};

} // namespace plugbay::core
