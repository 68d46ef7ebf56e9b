// The device manager's platform on KVM.
#pragma once

#include "core/base/log.hpp"
#include "core/device/platform.hpp"
#include "core/kvm/kvm_vm.hpp"

namespace plugbay::core {

// Outlives everything it made; the VM outlives it. Thread: any.
class KvmPlatform : public Platform {
  public:
    explicit KvmPlatform(KvmVm& vm) : vm_(vm) {}

    [[nodiscard]] std::span<const OwnRange> own_ranges() const override { return core::own_ranges(); }
    void set_line(std::uint32_t gsi, bool high) override;
    // An irqfd with a route of its own; where the VM is out of routes or lacks irqfd, a message sent by
    // system call.
    [[nodiscard]] Result<std::unique_ptr<MsiVector>> create_msi_vector() override;
    [[nodiscard]] Result<std::unique_ptr<DoorbellLatch>> latch_doorbell(const LatchRequest& request) override;
    [[nodiscard]] Result<std::unique_ptr<PlatformMemory>>
    map_memory(const MemorySlotRequest& request) override;
    [[nodiscard]] Result<void> watch_ram(std::span<const WatchedRam> watched) override {
        return vm_.watch_guest_memory(watched);
    }
    [[nodiscard]] Result<void> intercept_msrs(std::span<const MsrInterception> interceptions) override {
        return vm_.intercept_msrs(interceptions);
    }

  private:
    KvmVm& vm_;
    LimitedLog line_log_{Subsystem::kvm};
};

} // namespace plugbay::core
