#include "core/device/loop_signal.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/log.hpp"

#include <mutex>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <utility>

namespace plugbay::core {

Result<std::shared_ptr<LoopSignal>> LoopSignal::create(Device& device, bool while_draining,
                                                       std::function<void()> deliver) {
    UniqueFd eventfd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!eventfd) return errno_error("cannot create an eventfd", errno, "raise the limit of open files");
    std::shared_ptr<LoopSignal> signal(
        new LoopSignal(device, std::move(eventfd), while_draining, std::move(deliver)));
    auto watch = signal->loop_->watch(signal->eventfd(), EPOLLIN, signal);
    if (!watch) return std::move(watch).error();
    signal->watch_ = *watch;
    return signal;
}

void LoopSignal::ring() {
    ::eventfd_write(eventfd_.get(), 1);
}

void LoopSignal::end() {
    const std::lock_guard guard(*lock_);
    alive_ = false;
    loop_->unwatch(watch_);
}

void LoopSignal::move(IoLoop& loop) {
    const auto watch = loop.watch(eventfd(), EPOLLIN, shared_from_this());
    if (!watch) {
        device_->log().write(LogLevel::warn, "it stays on its I/O loop: {}", watch.error().text());
        return;
    }
    loop_->unwatch(watch_);
    loop_ = &loop;
    watch_ = *watch;
}

void LoopSignal::serve(Device& device, std::function<void()> deliver) {
    device_ = &device;
    deliver_ = std::move(deliver);
    if (held_) device.hold_back(weak_from_this());
}

void LoopSignal::ready(std::uint32_t) {
    eventfd_t count = 0;
    if (::eventfd_read(eventfd_.get(), &count) != 0) return;
    const std::lock_guard guard(*lock_);
    if (!alive_) return;
    const Phase phase = device_->phase();
    if (phase != Phase::running && !(while_draining_ && phase == Phase::draining)) {
        if (!std::exchange(held_, true)) device_->hold_back(weak_from_this());
        return;
    }
    deliver_();
}

void LoopSignal::release() {
    held_ = false;
    ring();
}

} // namespace plugbay::core
