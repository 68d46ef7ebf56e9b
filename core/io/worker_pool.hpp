// Threads for work that blocks, shared by all devices of a machine.
#pragma once

#include "core/base/log.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace plugbay::core {

class WorkerPool {
  public:
    static constexpr std::uint32_t most_threads = 8;

    // Called once for each post(), on a thread of the pool.
    class Client {
      public:
        virtual ~Client() = default;
        virtual void work_one() = 0;
    };

    WorkerPool() = default;
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;
    // Waits for the clients that are being called, but for no longer than `patience`: threads that are inside a client
    // even then are left to themselves, with a warning, and end when the client returns. Those still waiting are not
    // called.
    ~WorkerPool();

    // Thread: any. A thread is started when none is idle and there are fewer than most_threads.
    void post(std::shared_ptr<Client> client);

  private:
    // Whose client may hang has been waited for already, by Device::retire().
    static constexpr std::chrono::seconds patience{1};

    // Shared with the threads, which may outlive the pool.
    struct Shared {
        std::mutex mutex; // for what follows
        std::condition_variable posted;
        std::condition_variable left; // a thread has
        std::deque<std::shared_ptr<Client>> waiting;
        std::uint32_t idle = 0;
        std::uint32_t running = 0; // threads
        bool ending = false;
    };
    static void thread_main(const std::shared_ptr<Shared>& shared);

    const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
    std::vector<std::thread> threads_; // guarded by shared_->mutex
    LimitedLog log_{Subsystem::io};
};

} // namespace plugbay::core
