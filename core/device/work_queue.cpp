#include "core/device/work_queue.hpp"

#include "core/base/log.hpp"
#include "core/device/machine_services.hpp"

#include <plugbay/abi/worker.h>

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace plugbay::core {

// Shared with the pool, which may call it once more after the queue has gone. Jobs begin while the gate is
// open: from the first delivery on the loop of a device that runs or drains, until it is quiesced.
class WorkQueue::Jobs : public WorkerPool::Client,
                        public Device::InFlight,
                        public std::enable_shared_from_this<Jobs> {
  public:
    Jobs(Device& device, std::uint32_t capacity)
        : device_(device), callbacks_(device.callbacks<plugbay_worker_callbacks>(PLUGBAY_WORKER)),
          pool_(device.services().workers), capacity_(capacity) {}

    [[nodiscard]] Result<void> begin() {
        auto signal = LoopSignal::create(device_, true, [this] { deliver(); });
        if (!signal) return std::move(signal).error();
        signal_ = std::move(*signal);
        device_.add_in_flight(weak_from_this());
        return {};
    }
    void end() {
        signal_->end();
        std::unique_lock guard(mutex_);
        closed_ = true;
        waiting_.clear();
        finished_.clear();
        if (device_.pinned()) return;
        // The device itself gives the queue back, and is going to free what its jobs use: there is nothing to do but
        // to wait and to say for whom.
        while (!still_.wait_for(guard, device_.services().quiesce_limit, [&] { return running_.empty(); }))
            device_.log().write(LogLevel::warn, "it waits for {}", running_words());
    }

    void move(IoLoop& loop) { signal_->move(loop); }

    [[nodiscard]] bool submit(std::uint64_t token) {
        const std::lock_guard guard(mutex_);
        if (waiting_.size() + running_.size() + finished_.size() >= capacity_) return false;
        waiting_.push_back(token);
        if (open_)
            pool_.post(shared_from_this());
        else
            signal_->ring();
        return true;
    }

    void work_one() override {
        std::unique_lock guard(mutex_);
        if (!open_ || closed_ || waiting_.empty()) return; // taken up again when the device resumes
        const std::uint64_t token = waiting_.front();
        waiting_.pop_front();
        running_.push_back(token);
        guard.unlock();
        device_.protect("work", [&] { callbacks_->work(device_.instance(), token); });
        guard.lock();
        running_.erase(std::ranges::find(running_, token));
        if (!closed_) finished_.push_back(token);
        signal_->ring();
        if (running_.empty()) still_.notify_all();
    }

    bool wait_until_still(std::optional<std::chrono::milliseconds> limit) override {
        std::unique_lock guard(mutex_);
        open_ = false;
        signal_->ring(); // held back: deliver() opens again on resume
        const auto still = [&] { return running_.empty(); };
        if (limit) return still_.wait_for(guard, *limit, still);
        still_.wait(guard, still);
        return true;
    }
    [[nodiscard]] std::string running() const override {
        const std::lock_guard guard(mutex_);
        return running_words();
    }

    [[nodiscard]] std::string describe() const {
        const std::lock_guard guard(mutex_);
        return fmt::format("work queue, {} of {} jobs", waiting_.size() + running_.size() + finished_.size(),
                           capacity_);
    }

  private:
    // Caller holds mutex_.
    [[nodiscard]] std::string running_words() const {
        return fmt::format("job{} {} of a work queue", running_.size() == 1 ? "" : "s",
                           fmt::join(running_, ", "));
    }
    // On the loop, under the device's lock; a callback may end the queue.
    void deliver() {
        const auto self = shared_from_this();
        std::unique_lock guard(mutex_);
        if (!open_) {
            open_ = true;
            for (std::size_t i = 0; i < waiting_.size(); ++i)
                pool_.post(self);
        }
        for (std::size_t left = finished_.size(); left != 0 && !finished_.empty(); --left) {
            const std::uint64_t token = finished_.front();
            finished_.pop_front();
            guard.unlock();
            device_.deliver("done", [&] { callbacks_->done(device_.instance(), token); });
            guard.lock();
            const bool stopped = device_.phase() != Phase::running && device_.phase() != Phase::draining;
            if (!closed_ && stopped && !finished_.empty()) {
                signal_->ring(); // the callback ended the quiesce: the rest is for later
                return;
            }
        }
    }

    Device& device_;
    const plugbay_worker_callbacks* callbacks_;
    WorkerPool& pool_;
    const std::uint32_t capacity_;
    std::shared_ptr<LoopSignal> signal_;
    mutable std::mutex mutex_; // for what follows
    std::condition_variable still_;
    std::deque<std::uint64_t> waiting_;
    std::deque<std::uint64_t> finished_; // done is to be called
    std::vector<std::uint64_t> running_; // tokens; no more than the pool has threads
    bool open_ = false;
    bool closed_ = false;
};

Result<std::unique_ptr<WorkQueue>> WorkQueue::create(Device& device, std::uint32_t capacity) {
    auto jobs = std::make_shared<Jobs>(device, capacity);
    if (auto begun = jobs->begin(); !begun) return std::move(begun).error();
    return std::unique_ptr<WorkQueue>(new WorkQueue(std::move(jobs)));
}

WorkQueue::~WorkQueue() {
    jobs_->end();
}

bool WorkQueue::submit(std::uint64_t token) {
    return jobs_->submit(token);
}

void WorkQueue::move(IoLoop& loop) {
    jobs_->move(loop);
}

std::string WorkQueue::describe() const {
    return jobs_->describe();
}

} // namespace plugbay::core
