// Virtual time, doorbells, timers, file descriptors.
#include "machine.hpp"

#include <poll.h>

#include <algorithm>

namespace plugbay::testkit::detail {

std::uint64_t Machine::now(std::uint32_t clock) const {
    if (clock == PLUGBAY_CLOCK_GUEST) return guest_time;
    if (clock == PLUGBAY_CLOCK_HOST) return host_time;
    return options.calendar + (host_time - 1'000'000'000'000);
}

void Machine::ring(DoorbellRecord& doorbell, plugbay_handle handle) {
    if (doorbell.rung) return;
    doorbell.rung = true;
    rung.push_back(handle);
}

int Machine::serve_doorbells() {
    int served = 0;
    for (std::size_t left = rung.size(); left > 0; --left) {
        const plugbay_handle handle = rung.front();
        rung.pop_front();
        const auto place = doorbells.find(handle);
        if (place == doorbells.end()) continue;
        DeviceRecord& owner = *place->second.owner;
        if (owner.phase != Phase::running) {
            rung.push_back(handle); // held back
            continue;
        }
        place->second.rung = false;
        const std::uint64_t token = place->second.token;
        Callback callback(*this, owner, "rung");
        owner.doorbell->rung(owner.instance, token);
        ++served;
    }
    return served;
}

int Machine::serve_timers() {
    // The most overdue first, so that what was due earlier happens earlier; each at most once a round.
    std::vector<std::pair<std::uint64_t, plugbay_handle>> due;
    for (const auto& [handle, timer] : timers) {
        if (timer.armed && timer.owner->phase == Phase::running && timer.deadline <= now(timer.clock))
            due.emplace_back(now(timer.clock) - timer.deadline, handle);
    }
    std::stable_sort(due.begin(), due.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    int served = 0;
    for (const auto& [overdue, handle] : due) {
        const auto place = timers.find(handle);
        if (place == timers.end()) continue;
        TimerRecord& timer = place->second;
        const std::uint64_t time = now(timer.clock);
        if (!timer.armed || timer.deadline > time) continue; // an earlier callback changed it
        if (timer.period == 0) {
            timer.armed = false;
        } else {
            timer.deadline += ((time - timer.deadline) / timer.period + 1) * timer.period;
        }
        DeviceRecord& owner = *timer.owner;
        const std::uint64_t token = timer.token;
        Callback callback(*this, owner, "expired");
        owner.timer->expired(owner.instance, token);
        ++served;
    }
    return served;
}

int Machine::serve_watches() {
    std::vector<plugbay_handle> handles;
    std::vector<pollfd> polled;
    for (const auto& [handle, watch] : watches) {
        const bool awake = watch.owner->phase == Phase::running || watch.owner->phase == Phase::quiescing;
        if (!awake || watch.events == 0) continue;
        short events = 0;
        if ((watch.events & PLUGBAY_FD_READABLE) != 0) events |= POLLIN;
        if ((watch.events & PLUGBAY_FD_WRITABLE) != 0) events |= POLLOUT;
        handles.push_back(handle);
        polled.push_back({watch.fd, events, 0});
    }
    if (polled.empty() || poll(polled.data(), polled.size(), 0) <= 0) return 0;
    int served = 0;
    for (std::size_t i = 0; i < polled.size(); ++i) {
        const auto place = watches.find(handles[i]);
        if (polled[i].revents == 0 || place == watches.end()) continue;
        DeviceRecord& owner = *place->second.owner;
        if ((polled[i].revents & POLLNVAL) != 0) {
            violation(&owner, "closed a descriptor that it still watches");
            watches.erase(place);
            continue;
        }
        std::uint32_t events = 0;
        if ((polled[i].revents & POLLIN) != 0) events |= PLUGBAY_FD_READABLE;
        if ((polled[i].revents & POLLOUT) != 0) events |= PLUGBAY_FD_WRITABLE;
        if ((polled[i].revents & (POLLHUP | POLLERR)) != 0) events |= PLUGBAY_FD_HANGUP;
        events &= place->second.events | PLUGBAY_FD_HANGUP;
        if (events == 0 || place->second.events == 0 || place->second.fd != polled[i].fd) continue;
        const std::uint64_t token = place->second.token;
        Callback callback(*this, owner, "ready");
        owner.fd->ready(owner.instance, token, polled[i].fd, events);
        ++served;
    }
    return served;
}

void Machine::run() {
    if (!frames_.empty()) throw Error("run() is not possible inside a callback", PLUGBAY_FORBIDDEN);
    std::string last;
    for (int round = 0; round < most_rounds; ++round) {
        const int doorbell_count = serve_doorbells();
        const int timer_count = serve_timers();
        const int watch_count = serve_watches();
        const int work_count = serve_workers();
        const int event_count = serve_events();
        if (doorbell_count + timer_count + watch_count + work_count + event_count == 0) return;
        last = doorbell_count != 0 ? "a doorbell"
               : timer_count != 0  ? "a timer"
               : watch_count != 0  ? "a file descriptor"
               : work_count != 0   ? "a job"
                                   : "a host event";
    }
    throw Error("the I/O loop does not come to rest: " + last + " is served for ever at the same instant");
}

bool Machine::run_until(const std::function<bool()>& predicate, std::chrono::milliseconds timeout,
                        std::unique_lock<std::mutex>& lock) {
    const auto end = std::chrono::steady_clock::now() + timeout;
    for (;;) {
        run();
        lock.unlock();
        const bool reached = predicate(); // it may call the bench
        const bool late = std::chrono::steady_clock::now() > end;
        if (!reached && !late) poll(nullptr, 0, 1);
        lock.lock();
        throw_violations();
        if (reached || late) return reached;
    }
}

// How long until the next armed timer that may fire.
std::optional<std::uint64_t> Machine::next_timer() const {
    std::optional<std::uint64_t> least;
    for (const auto& [handle, timer] : timers) {
        if (!timer.armed || timer.owner->phase != Phase::running) continue;
        if (timer.clock == PLUGBAY_CLOCK_GUEST && !running) continue;
        const std::uint64_t time = now(timer.clock);
        const std::uint64_t wait = timer.deadline > time ? timer.deadline - time : 0;
        if (!least || wait < *least) least = wait;
    }
    return least;
}

void Machine::pass(std::uint64_t nanoseconds) {
    host_time += nanoseconds;
    if (running) guest_time += nanoseconds;
}

std::int64_t Machine::overdue() const {
    std::uint64_t longest = 0;
    for (const auto& [handle, timer] : timers) {
        const std::uint64_t time = now(timer.clock);
        if (timer.armed && timer.owner->phase == Phase::running && timer.deadline < time)
            longest = std::max(longest, time - timer.deadline);
    }
    return static_cast<std::int64_t>(std::min<std::uint64_t>(longest, INT64_MAX));
}

void Machine::advance(std::uint64_t nanoseconds) {
    run();
    for (auto wait = next_timer(); wait && *wait <= nanoseconds; wait = next_timer()) {
        pass(*wait);
        nanoseconds -= *wait;
        run();
    }
    pass(nanoseconds);
}

} // namespace plugbay::testkit::detail
