// How file operations run without holding up the I/O loop: through io_uring, or on a thread.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

// One system call on the image file. It stays where it is, with all it points to, until collected.
struct Operation {
    enum class Kind { read, write, sync, allocate };
    Kind kind = Kind::sync;
    int mode = 0; // of fallocate
    const iovec* vectors = nullptr;
    unsigned vector_count = 0; // at most IOV_MAX
    std::uint64_t offset = 0;
    std::uint64_t length = 0;  // allocate only
    std::int64_t result = 0;   // bytes, or a negative errno
    void* owner = nullptr;     // whose it is; not looked at by engines
    Operation* next = nullptr; // the engine's: in its queue
};

// Operations in order. Linked through themselves, so that taking one in needs no memory and cannot fail.
class OperationQueue {
  public:
    [[nodiscard]] bool empty() const { return first_ == nullptr; }
    [[nodiscard]] Operation& front() const { return *first_; }
    void push_back(Operation& operation) {
        operation.next = nullptr;
        (first_ == nullptr ? first_ : last_->next) = &operation;
        last_ = &operation;
    }
    Operation& pop_front() { return *std::exchange(first_, first_->next); }

  private:
    Operation* first_ = nullptr;
    Operation* last_ = nullptr; // when there is a first
};

class Engine {
  public:
    virtual ~Engine() = default; // waits for what is in flight
    // Becomes readable when operations have finished; the engine's own.
    [[nodiscard]] virtual int event_descriptor() const = 0;
    // Takes an operation; it need not begin before submit. Each one taken is collected once, with its result.
    virtual void start(Operation& operation) = 0;
    virtual void submit() = 0;
    // Stores finished operations, returns how many; also resets the event when fewer than fit.
    virtual std::size_t collect(std::span<Operation*> finished) = 0;
};

// Throws plugbay::Failure.
std::unique_ptr<Engine> make_thread_engine(int file);
// nullptr, with the reason in `why`, when this kernel has no io_uring for us.
std::unique_ptr<Engine> make_uring_engine(int file, std::string& why);
