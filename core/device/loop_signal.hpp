// Something for a device that may be announced from anywhere and reaches it on its loop, under its lock.
// While the device is quiesced it is held back, and delivered once on resume however often it was announced.
#pragma once

#include "core/base/result.hpp"
#include "core/device/device.hpp"
#include "core/io/io_loop.hpp"

#include <plugbay/unique_fd.hpp>

#include <functional>
#include <memory>

namespace plugbay::core {

// Outlives its owner by at most one call of the loop.
class LoopSignal : public FdHandler, public Device::Held, public std::enable_shared_from_this<LoopSignal> {
  public:
    // `deliver` is called under the device's lock and may end the signal. With `while_draining` it is called
    // while the device drains too.
    [[nodiscard]] static Result<std::shared_ptr<LoopSignal>> create(Device& device, bool while_draining,
                                                                    std::function<void()> deliver);

    void ring(); // any thread
    // `deliver` is not called any more when this returns. Called before the device goes.
    void end();
    // [control], under the device's lock. Stays where it is when the loop cannot take it.
    void move(IoLoop& loop);
    // [control], under the device's lock, which both builds share. From now on it is for another build of the device.
    void serve(Device& device, std::function<void()> deliver);
    [[nodiscard]] int eventfd() const { return eventfd_.get(); } // signalling it rings
    [[nodiscard]] bool ended() const { return !alive_; }         // under the device's lock

    void ready(std::uint32_t events) override;
    void release() override;

  private:
    LoopSignal(Device& device, UniqueFd eventfd, bool while_draining, std::function<void()> deliver)
        : device_(&device), lock_(device.shared_lock()), loop_(&device.loop()), eventfd_(std::move(eventfd)),
          while_draining_(while_draining), deliver_(std::move(deliver)) {}

    Device* device_; // guarded by lock_
    const std::shared_ptr<CallbackLock> lock_;
    IoLoop* loop_; // guarded by lock_
    UniqueFd eventfd_;
    const bool while_draining_;
    std::function<void()> deliver_; // guarded by lock_
    IoLoop::WatchId watch_ = 0;     // guarded by lock_, as is the rest
    bool alive_ = true;
    bool held_ = false;
};

} // namespace plugbay::core
