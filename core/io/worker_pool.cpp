#include "core/io/worker_pool.hpp"

#include <csignal>
#include <pthread.h>
#include <system_error>
#include <utility>

namespace plugbay::core {

WorkerPool::~WorkerPool() {
    {
        const std::lock_guard guard(mutex_);
        ending_ = true;
        waiting_.clear();
        posted_.notify_all();
    }
    for (std::thread& thread : threads_)
        thread.join();
}

void WorkerPool::post(std::shared_ptr<Client> client) {
    const std::lock_guard guard(mutex_);
    waiting_.push_back(std::move(client));
    if (idle_ < waiting_.size() && threads_.size() < most_threads) {
        try {
            threads_.emplace_back([this] { thread_main(); });
        } catch (const std::system_error& error) {
            // Those that there are take it; without any it waits for the next post.
            log_.write(LogLevel::warn, "cannot start a worker thread: {}", error.what());
        }
    }
    posted_.notify_one();
}

void WorkerPool::thread_main() {
    ::pthread_setname_np(::pthread_self(), "worker");
    sigset_t all; // signals are the control thread's
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    std::unique_lock guard(mutex_);
    for (;;) {
        ++idle_;
        posted_.wait(guard, [&] { return ending_ || !waiting_.empty(); });
        --idle_;
        if (ending_) return;
        const std::shared_ptr<Client> client = std::move(waiting_.front());
        waiting_.pop_front();
        guard.unlock();
        client->work_one();
        guard.lock();
    }
}

} // namespace plugbay::core
