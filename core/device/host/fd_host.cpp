#include "core/base/log.hpp"
#include "core/device/device.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/io/io_loop.hpp"

#include <plugbay/abi/fd.h>

#include <optional>
#include <sys/epoll.h>
#include <utility>

namespace plugbay::core {

namespace {

std::uint32_t to_epoll(std::uint32_t events) {
    return ((events & PLUGBAY_FD_READABLE) != 0 ? std::uint32_t{EPOLLIN} : 0) |
           ((events & PLUGBAY_FD_WRITABLE) != 0 ? std::uint32_t{EPOLLOUT} : 0);
}

std::uint32_t from_epoll(std::uint32_t events) {
    return ((events & EPOLLIN) != 0 ? PLUGBAY_FD_READABLE : 0) |
           ((events & EPOLLOUT) != 0 ? PLUGBAY_FD_WRITABLE : 0) |
           ((events & (EPOLLHUP | EPOLLERR)) != 0 ? PLUGBAY_FD_HANGUP : 0);
}

// A device's watched descriptor. Outlives its resource by at most one call of the loop.
class FdSource : public FdHandler, public Device::Held, public std::enable_shared_from_this<FdSource> {
  public:
    FdSource(Device& device, int fd, std::uint64_t token)
        : device_(device), callbacks_(device.callbacks<plugbay_fd_callbacks>(PLUGBAY_FD)),
          lock_(device.shared_lock()), loop_(&device.loop()), fd_(fd), token_(token) {}

    // Under the device's lock, as are the following. epoll reports hang-ups however few events are asked for,
    // so a muted descriptor is not watched at all.
    [[nodiscard]] Result<void> set_events(std::uint32_t events) {
        events_ = events;
        if (watch_) loop_->unwatch(*watch_);
        watch_.reset();
        if (events == 0 || held_) return {};
        auto watch = loop_->watch(fd_, to_epoll(events), shared_from_this());
        if (!watch) return std::move(watch).error();
        watch_ = *watch;
        return {};
    }
    // Goes back when the loop cannot take it.
    void move(IoLoop& loop) {
        if (watch_) loop_->unwatch(*watch_);
        watch_.reset();
        IoLoop* const before = std::exchange(loop_, &loop);
        if (auto moved = set_events(events_); !moved) {
            device_.log().write(LogLevel::warn, "it stays on its I/O loop: {}", moved.error().text());
            loop_ = before;
            static_cast<void>(set_events(events_)); // it could be watched before
        }
    }
    void end() {
        const std::lock_guard guard(*lock_);
        alive_ = false;
        static_cast<void>(set_events(0));
    }

    void ready(std::uint32_t events) override {
        const std::lock_guard guard(*lock_);
        if (!alive_ || !watch_) return;
        const Phase phase = device_.phase();
        if (phase != Phase::running && phase != Phase::draining) {
            held_ = true;
            static_cast<void>(set_events(events_));
            device_.hold_back(weak_from_this());
            return;
        }
        device_.counts().descriptors.add();
        device_.deliver("a descriptor",
                        [&] { callbacks_->ready(device_.instance(), token_, fd_, from_epoll(events)); });
    }
    void release() override {
        held_ = false;
        static_cast<void>(set_events(events_)); // it could be watched before
    }

  private:
    Device& device_;
    const plugbay_fd_callbacks* callbacks_;
    const std::shared_ptr<CallbackLock> lock_;
    IoLoop* loop_; // guarded by lock_
    const int fd_;
    const std::uint64_t token_;
    std::uint32_t events_ = 0; // what the device wants; guarded by lock_, as is the rest
    std::optional<IoLoop::WatchId> watch_;
    bool held_ = false;
    bool alive_ = true;
};

class WatchResource : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::fd_watch;
    WatchResource(std::shared_ptr<FdSource> source, int fd) : source_(std::move(source)), fd_(fd) {}
    ~WatchResource() override { source_->end(); }
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override {
        return "watch of descriptor " + std::to_string(fd_);
    }
    void move(IoLoop& loop) override { source_->move(loop); }
    [[nodiscard]] FdSource& source() { return *source_; }

  private:
    std::shared_ptr<FdSource> source_;
    const int fd_;
};

plugbay_status watch(const plugbay_host* host, int fd, std::uint32_t events, std::uint64_t token,
                     plugbay_handle* handle) {
    Device& device = Device::of(host);
    if (device.callbacks<plugbay_fd_callbacks>(PLUGBAY_FD) == nullptr) {
        return device.refuse(PLUGBAY_INVALID, "a watch was asked for, but the device has no ready callback");
    }
    auto source = std::make_shared<FdSource>(device, fd, token);
    const std::lock_guard guard(device.lock());
    auto watched = source->set_events(events);
    if (!watched) return device.refuse(PLUGBAY_UNSUPPORTED, watched.error().text());
    return hold(device, std::make_unique<WatchResource>(std::move(source), fd), handle);
}

plugbay_status change(const plugbay_host* host, plugbay_handle handle, std::uint32_t events) {
    Device& device = Device::of(host);
    auto* resource = device.resources().find<WatchResource>(handle);
    if (resource == nullptr) return device.refuse(PLUGBAY_STALE, "no such watch");
    const std::lock_guard guard(device.lock());
    auto changed = resource->source().set_events(events);
    if (!changed) return device.refuse(PLUGBAY_FAILED, changed.error().text());
    return PLUGBAY_OK;
}

plugbay_status unwatch(const plugbay_host* host, plugbay_handle handle) {
    return give_back<WatchResource>(Device::of(host), handle);
}

} // namespace

const void* fd_host_table() {
    static constexpr plugbay_fd_host table{sizeof table, 0, &watch, &change, &unwatch};
    return &table;
}

} // namespace plugbay::core
