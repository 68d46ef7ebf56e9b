#include "core/machine/kvm_platform.hpp"

#include "core/base/errno_error.hpp"

#include <mutex>
#include <sys/eventfd.h>

namespace plugbay::core {

namespace {

class IrqfdVector : public MsiVector {
  public:
    IrqfdVector(KvmVm& vm, UniqueFd eventfd, std::uint32_t gsi)
        : vm_(vm), eventfd_(std::move(eventfd)), gsi_(gsi) {}
    ~IrqfdVector() override {
        static_cast<void>(vm_.deassign_irqfd(eventfd_.get(), gsi_)); // closing the eventfd would do it too
        vm_.release_msi_gsi(gsi_);
    }
    Result<void> set_message(std::uint64_t address, std::uint32_t data) override {
        return vm_.set_msi_route(gsi_, MsiMessage{.address = address, .data = data});
    }
    void fire() override { ::eventfd_write(eventfd_.get(), 1); }

  private:
    KvmVm& vm_;
    UniqueFd eventfd_;
    const std::uint32_t gsi_;
};

class SignalledVector : public MsiVector {
  public:
    explicit SignalledVector(KvmVm& vm) : vm_(vm) {}
    Result<void> set_message(std::uint64_t address, std::uint32_t data) override {
        const std::lock_guard guard(mutex_);
        message_ = {.address = address, .data = data};
        return {};
    }
    void fire() override {
        const std::lock_guard guard(mutex_);
        static_cast<void>(vm_.signal_msi(message_)); // a message to nowhere is the guest's affair
    }

  private:
    KvmVm& vm_;
    std::mutex mutex_;
    MsiMessage message_;
};

class KvmLatch : public DoorbellLatch {
  public:
    explicit KvmLatch(Ioeventfd ioeventfd) : ioeventfd_(std::move(ioeventfd)) {}

  private:
    Ioeventfd ioeventfd_;
};

class KvmMemory : public PlatformMemory {
  public:
    KvmMemory(KvmVm& vm, MemorySlotId slot) : vm_(vm), slot_(slot) {}
    [[nodiscard]] Result<void> unmap() override { return vm_.remove_memory(slot_); }
    [[nodiscard]] Result<std::vector<std::uint64_t>> take_dirty() override { return vm_.dirty_log(slot_); }

  private:
    KvmVm& vm_;
    const MemorySlotId slot_;
};

} // namespace

void KvmPlatform::set_line(std::uint32_t gsi, bool high) {
    if (auto done = vm_.set_irq_line(gsi, high); !done) {
        line_log_.write(LogLevel::err, "interrupt line {}: {}", gsi, done.error().text());
    }
}

Result<std::unique_ptr<MsiVector>> KvmPlatform::create_msi_vector() {
    const auto by_system_call = [&]() -> Result<std::unique_ptr<MsiVector>> {
        return std::unique_ptr<MsiVector>(std::make_unique<SignalledVector>(vm_));
    };
    auto gsi = vm_.allocate_msi_gsi();
    if (!gsi) return by_system_call();
    UniqueFd eventfd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!eventfd) {
        vm_.release_msi_gsi(*gsi);
        return errno_error("cannot create an eventfd for an interrupt", errno,
                           "raise the limit of open files");
    }
    if (!vm_.assign_irqfd(eventfd.get(), *gsi)) {
        vm_.release_msi_gsi(*gsi);
        return by_system_call();
    }
    return std::unique_ptr<MsiVector>(std::make_unique<IrqfdVector>(vm_, std::move(eventfd), *gsi));
}

Result<std::unique_ptr<PlatformMemory>> KvmPlatform::map_memory(const MemorySlotRequest& request) {
    auto slot = vm_.add_memory(request);
    if (!slot) return std::move(slot).error();
    return std::unique_ptr<PlatformMemory>(std::make_unique<KvmMemory>(vm_, *slot));
}

Result<std::unique_ptr<DoorbellLatch>> KvmPlatform::latch_doorbell(const LatchRequest& request) {
    auto ioeventfd = vm_.add_ioeventfd(
        {.space = request.port ? IoeventfdRequest::Space::port : IoeventfdRequest::Space::mmio,
         .address = request.address,
         .size = request.width,
         .match = request.value,
         .eventfd = request.eventfd});
    if (!ioeventfd) return std::move(ioeventfd).error();
    return std::unique_ptr<DoorbellLatch>(std::make_unique<KvmLatch>(std::move(*ioeventfd)));
}

} // namespace plugbay::core
