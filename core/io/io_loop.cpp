#include "core/io/io_loop.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/thread_setup.hpp"

#include <array>
#include <ctime>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <utility>

namespace plugbay::core {

namespace {
constexpr std::uint64_t nanoseconds_per_second = 1'000'000'000;
} // namespace

std::uint64_t IoLoop::now() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * nanoseconds_per_second +
           static_cast<std::uint64_t>(time.tv_nsec);
}

Result<std::unique_ptr<IoLoop>> IoLoop::create(const std::string& name) {
    UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return errno_error("cannot create an epoll instance");
    UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake) return errno_error("cannot create an eventfd");
    UniqueFd alarm(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!alarm) return errno_error("cannot create a timerfd");
    for (const auto& [fd, id] : {std::pair{wake.get(), wake_id}, std::pair{alarm.get(), alarm_id}}) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = id;
        if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return errno_error("epoll_ctl");
    }
    std::unique_ptr<IoLoop> loop(new IoLoop(std::move(epoll), std::move(wake), std::move(alarm)));
    loop->thread_ = std::thread([raw = loop.get(), name] { raw->run(name); });
    return loop;
}

IoLoop::IoLoop(UniqueFd epoll, UniqueFd wake, UniqueFd alarm)
    : epoll_(std::move(epoll)), wake_(std::move(wake)), alarm_(std::move(alarm)) {}

IoLoop::~IoLoop() {
    stopping_.store(true);
    ::eventfd_write(wake_.get(), 1);
    if (thread_.joinable()) thread_.join();
}

void IoLoop::run(const std::string& name) {
    set_up_thread(name);

    std::array<epoll_event, 32> events{};
    while (!stopping_.load()) {
        const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), -1);
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            if (event.data.u64 == wake_id) {
                eventfd_t ignored = 0;
                ::eventfd_read(wake_.get(), &ignored);
            } else if (event.data.u64 == alarm_id) {
                run_timers();
            } else {
                std::shared_ptr<FdHandler> handler;
                {
                    const std::lock_guard guard(mutex_);
                    const auto found = watches_.find(event.data.u64);
                    if (found != watches_.end()) handler = found->second.handler;
                }
                if (handler) handler->ready(event.events);
            }
        }
    }
}

Result<IoLoop::WatchId> IoLoop::watch(int fd, std::uint32_t events, std::shared_ptr<FdHandler> handler) {
    const std::lock_guard guard(mutex_);
    const WatchId id = next_id_++;
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        return errno_error("cannot watch a descriptor");
    watches_.emplace(id, Watch{fd, std::move(handler)});
    return id;
}

Result<void> IoLoop::change(WatchId watch, std::uint32_t events) {
    const std::lock_guard guard(mutex_);
    const auto found = watches_.find(watch);
    if (found == watches_.end()) return Error{"the watch is gone"};
    epoll_event event{};
    event.events = events;
    event.data.u64 = watch;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, found->second.fd, &event) != 0)
        return errno_error("epoll_ctl");
    return {};
}

void IoLoop::unwatch(WatchId watch) {
    std::shared_ptr<FdHandler> last; // its destructor runs without the lock
    const std::lock_guard guard(mutex_);
    const auto found = watches_.find(watch);
    if (found == watches_.end()) return;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.fd, nullptr);
    last = std::move(found->second.handler);
    watches_.erase(found);
}

void IoLoop::add_timer() {
    const std::lock_guard guard(mutex_);
    heap_.reserve(++timer_count_);
}

void IoLoop::remove_timer(TimerHandler& timer) {
    disarm(timer);
    const std::lock_guard guard(mutex_);
    --timer_count_;
}

std::uint64_t IoLoop::arm(const std::shared_ptr<TimerHandler>& timer, std::uint64_t deadline) {
    const std::lock_guard guard(mutex_);
    timer->deadline_ = deadline;
    const std::uint64_t arming = ++timer->arming_;
    const bool was_first = timer->heap_index_ == 0;
    if (timer->heap_index_ == TimerHandler::not_armed) {
        heap_.push_back(nullptr);
        heap_place(heap_.size() - 1, timer);
    }
    heap_up(timer->heap_index_);
    heap_down(timer->heap_index_);
    if (was_first || timer->heap_index_ == 0) set_alarm();
    return arming;
}

std::uint64_t IoLoop::disarm(TimerHandler& timer) {
    const std::lock_guard guard(mutex_);
    // The alarm may still go off for it: one idle wake-up is cheaper than a system call here.
    if (timer.heap_index_ != TimerHandler::not_armed) heap_remove(timer.heap_index_);
    return ++timer.arming_;
}

void IoLoop::run_timers() {
    std::uint64_t ignored = 0;
    if (::read(alarm_.get(), &ignored, sizeof ignored) < 0) return; // set again meanwhile
    // Bounded, so that a timer that arms itself again and again cannot starve the loop's descriptors.
    constexpr int most_at_once = 64;
    for (int i = 0; i < most_at_once; ++i) {
        std::shared_ptr<TimerHandler> timer;
        std::uint64_t arming = 0;
        {
            const std::lock_guard guard(mutex_);
            const std::uint64_t time = now();
            if (heap_.empty() || heap_.front()->deadline_ > time) {
                set_alarm();
                return;
            }
            timer = heap_.front();
            arming = timer->arming_;
            heap_remove(0);
        }
        timer->expired(arming);
    }
    const std::lock_guard guard(mutex_);
    set_alarm();
}

// Caller holds mutex_.
void IoLoop::set_alarm() {
    if (heap_.empty()) return;
    const std::uint64_t deadline = heap_.front()->deadline_;
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(deadline / nanoseconds_per_second);
    when.it_value.tv_nsec = static_cast<long>(deadline % nanoseconds_per_second);
    if (deadline == 0) when.it_value.tv_nsec = 1; // zero would disarm
    ::timerfd_settime(alarm_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void IoLoop::heap_place(std::size_t index, std::shared_ptr<TimerHandler> timer) {
    timer->heap_index_ = index;
    heap_[index] = std::move(timer);
}

void IoLoop::heap_remove(std::size_t index) {
    const auto removed = std::move(heap_[index]);
    removed->heap_index_ = TimerHandler::not_armed;
    auto last = std::move(heap_.back());
    heap_.pop_back();
    if (last == nullptr) return; // it was the last one itself
    const auto* moved = last.get();
    heap_place(index, std::move(last));
    heap_up(index);
    heap_down(moved->heap_index_);
}

void IoLoop::heap_up(std::size_t index) {
    while (index > 0) {
        const std::size_t parent = (index - 1) / 2;
        if (heap_[parent]->deadline_ <= heap_[index]->deadline_) return;
        auto above = std::move(heap_[parent]);
        heap_place(parent, std::move(heap_[index]));
        heap_place(index, std::move(above));
        index = parent;
    }
}

void IoLoop::heap_down(std::size_t index) {
    for (;;) {
        std::size_t least = index;
        for (const std::size_t child : {2 * index + 1, 2 * index + 2}) {
            if (child < heap_.size() && heap_[child]->deadline_ < heap_[least]->deadline_) least = child;
        }
        if (least == index) return;
        auto below = std::move(heap_[least]);
        heap_place(least, std::move(heap_[index]));
        heap_place(index, std::move(below));
        index = least;
    }
}

} // namespace plugbay::core
