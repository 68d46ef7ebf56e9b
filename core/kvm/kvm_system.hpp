// /dev/kvm itself: what this machine's KVM offers. KVM API section 4, "System ioctls".
#pragma once

#include "core/base/result.hpp"
#include "core/kvm/cpuid.hpp"
#include "core/kvm/kvm_capability.hpp"

#include <plugbay/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace plugbay::core {

// Immutable after open(), so every const member may be called from any thread.
class KvmSystem {
  public:
    // Fails with a hint of its own for: no such device, no permission, not a KVM device, wrong API version.
    // Missing capabilities are no failure here; see missing_required().
    [[nodiscard]] static Result<KvmSystem> open(const std::string& path = "/dev/kvm");

    [[nodiscard]] bool has(KvmCapability capability) const { return capabilities_.has(capability); }
    [[nodiscard]] const KvmCapabilitySet& capabilities() const { return capabilities_; }
    // Required capabilities that this KVM lacks; empty on one that can run a machine.
    [[nodiscard]] std::vector<KvmCapabilityInfo> missing_required() const;

    // KVM's limit on memory slots a VM.
    [[nodiscard]] std::uint32_t max_memory_slots() const { return max_memory_slots_; }

    // Bytes of the page shared with each vCPU (struct kvm_run and the port data behind it).
    [[nodiscard]] std::size_t vcpu_page_size() const { return vcpu_page_size_; }

    // KVM_GET_SUPPORTED_CPUID: what a guest may be shown. Asks the kernel on every call.
    [[nodiscard]] Result<CpuidTable> supported_cpuid() const;

    // The MSRs that hold guests' state (KVM_GET_MSR_INDEX_LIST); empty when this KVM does not say.
    [[nodiscard]] const std::vector<std::uint32_t>& state_msrs() const { return state_msrs_; }

    // For KvmVm.
    [[nodiscard]] int file() const { return file_.get(); }

  private:
    KvmSystem() = default;

    UniqueFd file_;
    KvmCapabilitySet capabilities_;
    std::uint32_t max_memory_slots_ = 0;
    std::size_t vcpu_page_size_ = 0;
    std::vector<std::uint32_t> state_msrs_;
};

} // namespace plugbay::core
