// Operations through io_uring; an eventfd tells the I/O loop that some have finished.
#include "engine.hpp"

#include <plugbay/unique_fd.hpp>

#include <liburing.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

namespace {

constexpr unsigned entries = 256;

class UringEngine final : public Engine {
  public:
    explicit UringEngine(int file) : file_(file) {}
    ~UringEngine() override {
        if (!ready_) return;
        std::array<Operation*, entries> finished{};
        submit();
        while (in_kernel_ > 0) { // also when some wait: see submit

            io_uring_cqe* completion = nullptr;
            if (const int status = io_uring_wait_cqe(&ring_, &completion); status < 0 && status != -EINTR)
                break;
            collect(finished);
            submit();
        }
        io_uring_queue_exit(&ring_);
    }

    // 0, or a negative errno.
    int open() {
        event_ = plugbay::UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!event_) return -errno;
        if (const int status = io_uring_queue_init(entries, &ring_, 0); status < 0) return status;
        ready_ = true;
        io_uring_probe* probe = io_uring_get_probe_ring(&ring_);
        const bool complete = probe != nullptr && io_uring_opcode_supported(probe, IORING_OP_READV) != 0 &&
                              io_uring_opcode_supported(probe, IORING_OP_WRITEV) != 0 &&
                              io_uring_opcode_supported(probe, IORING_OP_FSYNC) != 0 &&
                              io_uring_opcode_supported(probe, IORING_OP_FALLOCATE) != 0;
        if (probe != nullptr) io_uring_free_probe(probe);
        if (!complete) return -ENOSYS;
        return io_uring_register_eventfd(&ring_, event_.get());
    }

    [[nodiscard]] int event_descriptor() const override { return event_.get(); }
    void start(Operation& operation) override { waiting_.push_back(operation); }
    void submit() override {
        for (;;) {
            fill_ring();
            if (staged_count_ == 0) return;
            const int status = io_uring_submit(&ring_);
            if (status == -EINTR) continue;
            if (status <= 0) break;
            taken(static_cast<unsigned>(status));
        }
        // The kernel has no resources for them at the moment. They go with the next call, and there is one when a
        // completion is on its way; else nobody would ever call.
        if (in_kernel_ == 0) refuse_all();
    }
    std::size_t collect(std::span<Operation*> finished) override {
        std::uint64_t rings = 0;
        static_cast<void>(!read(event_.get(), &rings, sizeof rings));
        std::size_t count = 0;
        while (count < finished.size() && !refused_.empty())
            finished[count++] = &refused_.pop_front();
        io_uring_cqe* completion = nullptr;
        while (count < finished.size() && io_uring_peek_cqe(&ring_, &completion) == 0) {
            if (auto* operation = static_cast<Operation*>(io_uring_cqe_get_data(completion))) {
                operation->result = completion->res;
                finished[count++] = operation;
            }
            io_uring_cqe_seen(&ring_, completion);
            --in_kernel_;
        }
        // There may be more: be called again.
        if (const std::uint64_t one = 1; count == finished.size())
            static_cast<void>(!write(event_.get(), &one, sizeof one));
        return count;
    }

  private:
    // At most `entries` are in the kernel's hands or on their way there: its completion queue has room for all.
    void fill_ring() {
        while (!waiting_.empty() && in_kernel_ + staged_count_ < entries) {
            io_uring_sqe* entry = io_uring_get_sqe(&ring_);
            if (entry == nullptr) break;
            Operation& operation = waiting_.pop_front();
            prepare(*entry, operation);
            staged_[staged_count_++] = {entry, &operation};
        }
    }
    void taken(unsigned count) {
        in_kernel_ += count;
        std::copy(staged_.begin() + count, staged_.begin() + staged_count_, staged_.begin());
        staged_count_ -= count;
    }
    // Every operation that the kernel does not have fails. Their entries stay in the ring, which has no way back,
    // and do nothing when the kernel takes them one day.
    void refuse_all() {
        for (Staged& each : std::span(staged_).first(staged_count_)) {
            if (each.operation == nullptr) continue;
            refuse(*std::exchange(each.operation, nullptr));
            io_uring_prep_nop(each.entry);
            io_uring_sqe_set_data(each.entry, nullptr);
        }
        while (!waiting_.empty())
            refuse(waiting_.pop_front());
        // Only then: the collecting that follows submits again, perhaps in vain again.
        if (const std::uint64_t one = 1; !refused_.empty())
            static_cast<void>(!write(event_.get(), &one, sizeof one));
    }
    void refuse(Operation& operation) {
        operation.result = -EIO; // not EAGAIN, which would be tried again at once, and for ever
        refused_.push_back(operation);
    }
    void prepare(io_uring_sqe& entry, Operation& operation) const {
        switch (operation.kind) {
        case Operation::Kind::read:
            io_uring_prep_readv(&entry, file_, operation.vectors, operation.vector_count, operation.offset);
            break;
        case Operation::Kind::write:
            io_uring_prep_writev(&entry, file_, operation.vectors, operation.vector_count, operation.offset);
            break;
        case Operation::Kind::sync:
            io_uring_prep_fsync(&entry, file_, IORING_FSYNC_DATASYNC);
            break;
        case Operation::Kind::allocate:
            io_uring_prep_fallocate(&entry, file_, operation.mode, static_cast<off_t>(operation.offset),
                                    static_cast<off_t>(operation.length));
            break;
        }
        io_uring_sqe_set_data(&entry, &operation);
    }

    int file_;
    plugbay::UniqueFd event_;
    io_uring ring_{};
    bool ready_ = false;
    struct Staged {
        io_uring_sqe* entry;
        Operation* operation; // nullptr: refused
    };
    OperationQueue waiting_;
    OperationQueue refused_; // to be collected
    std::array<Staged, entries>
        staged_{}; // in the ring, not taken by the kernel yet: the first staged_count_
    unsigned staged_count_ = 0;
    unsigned in_kernel_ = 0;
};

} // namespace

std::unique_ptr<Engine> make_uring_engine(int file, std::string& why) {
    auto engine = std::make_unique<UringEngine>(file);
    if (const int status = engine->open(); status < 0) {
        why = std::strerror(-status);
        return nullptr;
    }
    return engine;
}
