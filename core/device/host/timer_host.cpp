#include "core/device/device.hpp"
#include "core/device/guest_clock.hpp"
#include "core/device/host/hold.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/io/io_loop.hpp"

#include <plugbay/abi/timer.h>

#include <ctime>

namespace plugbay::core {

namespace {

// A device's timer on the loop. Outlives its resource by at most one call of the loop.
class TimerSource : public TimerHandler,
                    public Device::Held,
                    public GuestClock::Waiter,
                    public std::enable_shared_from_this<TimerSource> {
  public:
    TimerSource(Device& device, std::uint32_t clock, std::uint64_t token)
        : device_(device), callbacks_(device.callbacks<plugbay_timer_callbacks>(PLUGBAY_TIMER)),
          lock_(device.shared_lock()), loop_(&device.loop()), clock_(clock), token_(token) {
        loop_->add_timer();
    }

    // All under the device's lock, or before anybody else knows the source.
    void end() { loop_->remove_timer(*this); }
    void move(IoLoop& loop) {
        loop.add_timer();
        loop_->remove_timer(*this);
        loop_ = &loop;
        if (armed_) schedule();
    }
    void arm(std::uint64_t deadline, std::uint64_t period) {
        deadline_ = deadline;
        period_ = period;
        schedule();
    }
    void disarm() {
        arming_ = loop_->disarm(*this);
        armed_ = false;
    }

    void expired(std::uint64_t arming) override {
        const std::lock_guard guard(*lock_);
        if (arming != arming_) return;
        const std::uint64_t now = time();
        if (now < deadline_) { // the guest's clock stood still for a while, or still does
            wait_for_clock();
            return;
        }
        if (device_.phase() != Phase::running) {
            held_arming_ = arming;
            device_.hold_back(weak_from_this());
            return;
        }
        if (period_ != 0) {
            const std::uint64_t missed = (now - deadline_) / period_ * period_;
            if (__builtin_add_overflow(deadline_ + missed, period_, &deadline_)) deadline_ = never;
            schedule();
        } else {
            arming_ = 0;
            armed_ = false;
        }
        device_.counts().timers.add();
        device_.deliver(
            "a timer", [&] { callbacks_->expired(device_.instance(), token_); }, AccessRecord::Kind::timer);
    }
    // [control], under the lock: it expires now, unless it was armed anew or disarmed meanwhile.
    void release() override {
        if (arming_ == held_arming_) schedule();
    }

    // [control], without the lock.
    void clock_started() override {
        const std::lock_guard guard(*lock_);
        waiting_ = false;
        if (arming_ == waiting_arming_) schedule();
    }

  private:
    static constexpr std::uint64_t never = ~std::uint64_t{0};

    // A standing clock has no host time for the deadline: asking the loop again would spin.
    void wait_for_clock() {
        waiting_arming_ = arming_;
        if (waiting_) return;
        waiting_ = clock_ == PLUGBAY_CLOCK_GUEST && device_.services().clock.wait_for_start(weak_from_this());
        if (!waiting_) schedule();
    }
    [[nodiscard]] std::uint64_t time() const {
        return clock_ == PLUGBAY_CLOCK_GUEST ? device_.services().clock.now() : IoLoop::now();
    }
    void schedule() {
        const std::uint64_t host_deadline =
            clock_ == PLUGBAY_CLOCK_GUEST ? device_.services().clock.to_host(deadline_) : deadline_;
        arming_ = loop_->arm(shared_from_this(), host_deadline);
        armed_ = true;
    }

    Device& device_;
    const plugbay_timer_callbacks* callbacks_;
    const std::shared_ptr<CallbackLock> lock_;
    IoLoop* loop_; // guarded by lock_
    const std::uint32_t clock_;
    const std::uint64_t token_;
    std::uint64_t deadline_ = 0; // on clock_; guarded by lock_, as is the rest
    std::uint64_t period_ = 0;
    std::uint64_t arming_ = 0;
    std::uint64_t held_arming_ = 0;
    std::uint64_t waiting_arming_ = 0;
    bool waiting_ = false;
    bool armed_ = false; // due some time, wherever it waits meanwhile
};

class TimerResource : public Resource {
  public:
    static constexpr ResourceKind resource_kind = ResourceKind::timer;
    TimerResource(Device& device, std::shared_ptr<TimerSource> source)
        : device_(device), source_(std::move(source)) {}
    ~TimerResource() override {
        const std::lock_guard guard(device_.lock());
        source_->disarm();
        source_->end();
    }
    void move(IoLoop& loop) override { source_->move(loop); }
    [[nodiscard]] ResourceKind kind() const override { return resource_kind; }
    [[nodiscard]] std::string describe() const override { return "timer"; }
    [[nodiscard]] TimerSource& source() { return *source_; }

  private:
    Device& device_;
    std::shared_ptr<TimerSource> source_;
};

std::uint64_t now(const plugbay_host* host, std::uint32_t clock) {
    switch (clock) {
    case PLUGBAY_CLOCK_GUEST:
        return Device::of(host).services().clock.now();
    case PLUGBAY_CLOCK_CALENDAR: {
        timespec time{};
        ::clock_gettime(CLOCK_REALTIME, &time);
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
               static_cast<std::uint64_t>(time.tv_nsec);
    }
    default:
        return IoLoop::now();
    }
}

plugbay_status create(const plugbay_host* host, std::uint32_t clock, std::uint64_t token,
                      plugbay_handle* timer) {
    Device& device = Device::of(host);
    if (clock != PLUGBAY_CLOCK_GUEST && clock != PLUGBAY_CLOCK_HOST) {
        return device.refuse(PLUGBAY_INVALID, "timers run on the guest's or the host's clock");
    }
    if (device.callbacks<plugbay_timer_callbacks>(PLUGBAY_TIMER) == nullptr) {
        return device.refuse(PLUGBAY_INVALID,
                             "a timer was asked for, but the device has no expired callback");
    }
    return hold(device,
                std::make_unique<TimerResource>(device, std::make_shared<TimerSource>(device, clock, token)),
                timer);
}

plugbay_status arm(const plugbay_host* host, plugbay_handle handle, std::uint64_t deadline,
                   std::uint64_t period) {
    Device& device = Device::of(host);
    auto* timer = device.resources().find<TimerResource>(handle);
    if (timer == nullptr) return device.refuse(PLUGBAY_STALE, "no such timer");
    const std::lock_guard guard(device.lock());
    timer->source().arm(deadline, period);
    return PLUGBAY_OK;
}

plugbay_status disarm(const plugbay_host* host, plugbay_handle handle) {
    Device& device = Device::of(host);
    auto* timer = device.resources().find<TimerResource>(handle);
    if (timer == nullptr) return device.refuse(PLUGBAY_STALE, "no such timer");
    const std::lock_guard guard(device.lock());
    timer->source().disarm();
    return PLUGBAY_OK;
}

plugbay_status destroy(const plugbay_host* host, plugbay_handle timer) {
    return give_back<TimerResource>(Device::of(host), timer);
}

} // namespace

const void* timer_host_table() {
    static constexpr plugbay_timer_host table{sizeof table, 0, &now, &create, &arm, &disarm, &destroy};
    return &table;
}

} // namespace plugbay::core
