#include "core/io/worker_pool.hpp"

#include "core/base/thread_setup.hpp"

#include <system_error>
#include <utility>

namespace plugbay::core {

WorkerPool::~WorkerPool() {
    bool all_left = false;
    {
        std::unique_lock guard(shared_->mutex);
        shared_->ending = true;
        shared_->waiting.clear();
        shared_->posted.notify_all();
        all_left = shared_->left.wait_for(guard, patience, [&] { return shared_->running == 0; });
        if (!all_left)
            log_for(Subsystem::io)
                .warn("{} worker threads hang in a device's job and are left behind", shared_->running);
    }
    for (std::thread& thread : threads_) {
        if (all_left)
            thread.join();
        else
            thread.detach();
    }
}

void WorkerPool::post(std::shared_ptr<Client> client) {
    const std::lock_guard guard(shared_->mutex);
    shared_->waiting.push_back(std::move(client));
    if (shared_->idle < shared_->waiting.size() && threads_.size() < most_threads) {
        try {
            threads_.emplace_back([shared = shared_] { thread_main(shared); });
            ++shared_->running;
        } catch (const std::system_error& error) {
            // Those that there are take it; without any it waits for the next post.
            log_.write(LogLevel::warn, "cannot start a worker thread: {}", error.what());
        }
    }
    shared_->posted.notify_one();
}

void WorkerPool::thread_main(const std::shared_ptr<Shared>& shared) {
    set_up_thread("worker");
    std::unique_lock guard(shared->mutex);
    while (!shared->ending) {
        if (shared->waiting.empty()) {
            ++shared->idle;
            shared->posted.wait(guard, [&] { return shared->ending || !shared->waiting.empty(); });
            --shared->idle;
            continue;
        }
        const std::shared_ptr<Client> client = std::move(shared->waiting.front());
        shared->waiting.pop_front();
        guard.unlock();
        client->work_one();
        guard.lock();
    }
    --shared->running;
    shared->left.notify_all();
}

} // namespace plugbay::core
