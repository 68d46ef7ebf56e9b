// Operations one after another, in order, on a thread of the engine's own.
#include "engine.hpp"

#include <plugbay/failure.hpp>
#include <plugbay/unique_fd.hpp>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>
#include <thread>

namespace {

std::int64_t perform(int file, const Operation& operation) {
    const auto offset = static_cast<off_t>(operation.offset);
    const auto count = static_cast<int>(operation.vector_count);
    std::int64_t result = 0;
    switch (operation.kind) {
    case Operation::Kind::read:
        result = preadv(file, operation.vectors, count, offset);
        break;
    case Operation::Kind::write:
        result = pwritev(file, operation.vectors, count, offset);
        break;
    case Operation::Kind::sync:
        result = fdatasync(file);
        break;
    case Operation::Kind::allocate:
        result = fallocate(file, operation.mode, offset, static_cast<off_t>(operation.length));
        break;
    }
    return result < 0 ? -errno : result;
}

class ThreadEngine final : public Engine {
  public:
    explicit ThreadEngine(int file) : file_(file), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (!event_) throw plugbay::Failure(std::string("no eventfd: ") + std::strerror(errno));
        // Signals are for the monitor's own threads.
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            thread_ = std::thread([this] { run(); });
        } catch (...) {
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
            throw;
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    ~ThreadEngine() override {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }

    [[nodiscard]] int event_descriptor() const override { return event_.get(); }
    void start(Operation& operation) override {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(operation);
    }
    void submit() override { wake_.notify_one(); }
    std::size_t collect(std::span<Operation*> finished) override {
        const std::lock_guard lock(mutex_);
        std::size_t count = 0;
        while (count < finished.size() && !done_.empty()) {
            finished[count++] = &done_.pop_front();
        }
        if (std::uint64_t rings = 0; done_.empty())
            static_cast<void>(!read(event_.get(), &rings, sizeof rings));
        return count;
    }

  private:
    void run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
            if (waiting_.empty()) return; // ending, and everything is done
            Operation& operation = waiting_.pop_front();
            lock.unlock();
            operation.result = perform(file_, operation);
            lock.lock();
            done_.push_back(operation);
            const std::uint64_t one = 1;
            static_cast<void>(!write(event_.get(), &one, sizeof one));
        }
    }

    int file_;
    plugbay::UniqueFd event_;
    std::mutex mutex_;
    std::condition_variable wake_;
    OperationQueue waiting_;
    OperationQueue done_;
    bool ending_ = false;
    std::thread thread_;
};

} // namespace

std::unique_ptr<Engine> make_thread_engine(int file) {
    return std::make_unique<ThreadEngine>(file);
}
