// Threads for work that blocks, shared by all devices of a machine.
#pragma once

#include "core/base/log.hpp"

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
    // Waits for the clients that are being called; those still waiting are not called.
    ~WorkerPool();

    // Thread: any. A thread is started when none is idle and there are fewer than most_threads.
    void post(std::shared_ptr<Client> client);

  private:
    void thread_main();

    LimitedLog log_{Subsystem::io};
    std::mutex mutex_; // for what follows
    std::condition_variable posted_;
    std::deque<std::shared_ptr<Client>> waiting_;
    std::vector<std::thread> threads_;
    std::uint32_t idle_ = 0;
    bool ending_ = false;
};

} // namespace plugbay::core
