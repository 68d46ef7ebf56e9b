// Operations through io_uring; an eventfd tells the I/O loop that some have finished.
#include "descriptor.hpp"
#include "engine.hpp"

#include <liburing.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>

namespace {

constexpr unsigned entries = 256;

class UringEngine final : public Engine {
  public:
    explicit UringEngine(int file) : file_(file) {}
    ~UringEngine() override {
        if (!ready_) return;
        std::array<Operation*, entries> finished{};
        submit();
        while (in_kernel_ > 0 || !waiting_.empty()) {
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
        event_ = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
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
    void start(Operation& operation) override { waiting_.push_back(&operation); }
    void submit() override {
        // At most `entries` are in the kernel's hands: its completion queue has room for all of them.
        while (!waiting_.empty() && in_kernel_ < entries) {
            io_uring_sqe* entry = io_uring_get_sqe(&ring_);
            if (entry == nullptr) break;
            prepare(*entry, *waiting_.front());
            waiting_.pop_front();
            ++in_kernel_;
        }
        // What the kernel has no resources for at the moment stays in the ring and goes with the next call;
        // there is one, because completions of the others are on their way.
        while (io_uring_sq_ready(&ring_) > 0) {
            const int status = io_uring_submit(&ring_);
            if (status == -EINTR || (status == -EAGAIN && in_kernel_ == io_uring_sq_ready(&ring_))) continue;
            if (status <= 0) break;
        }
    }
    std::size_t collect(std::span<Operation*> finished) override {
        std::uint64_t rings = 0;
        static_cast<void>(!read(event_.get(), &rings, sizeof rings));
        std::size_t count = 0;
        io_uring_cqe* completion = nullptr;
        while (count < finished.size() && io_uring_peek_cqe(&ring_, &completion) == 0) {
            auto* operation = static_cast<Operation*>(io_uring_cqe_get_data(completion));
            operation->result = completion->res;
            finished[count++] = operation;
            io_uring_cqe_seen(&ring_, completion);
            --in_kernel_;
        }
        // There may be more: be called again.
        if (const std::uint64_t one = 1; count == finished.size())
            static_cast<void>(!write(event_.get(), &one, sizeof one));
        return count;
    }

  private:
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
    Descriptor event_;
    io_uring ring_{};
    bool ready_ = false;
    std::deque<Operation*> waiting_;
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
