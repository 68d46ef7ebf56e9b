// The optional and required parts of KVM by name, so that nobody else needs the numbers of <linux/kvm.h>.
#pragma once

#include <cstdint>
#include <span>

namespace plugbay::core {

enum class KvmCapability : std::uint8_t {
    user_memory,
    set_tss_address,
    set_identity_map,
    irqchip,
    pit2,
    irq_routing,
    signal_msi,
    irqfd,
    ioeventfd,
    extended_cpuid,
    mp_state,
    immediate_exit,
    irqfd_resample,
    ioeventfd_any_length,
    ioeventfd_no_length,
    readonly_memory,
    tsc_deadline_timer,
    user_space_msr,
    msr_filter,
    sync_registers,
    vcpu_events,
    debug_registers,
    xsave,
    extended_control_registers,
    tsc_frequency,
    kvm_clock,
    guest_debug,
};

struct KvmCapabilityInfo {
    KvmCapability capability;
    int number;          // KVM_CAP_... of <linux/kvm.h>
    const char* name;    // KVM's own name without KVM_CAP_
    const char* purpose; // what is lost without it
    bool required;       // without it no machine of Plugbay starts
};

// Every KvmCapability once, in the order of the enumeration.
[[nodiscard]] std::span<const KvmCapabilityInfo> kvm_capabilities();

// Which of them a KVM has.
class KvmCapabilitySet {
  public:
    void add(KvmCapability capability) { bits_ |= bit(capability); }
    [[nodiscard]] bool has(KvmCapability capability) const { return (bits_ & bit(capability)) != 0; }

  private:
    [[nodiscard]] static std::uint64_t bit(KvmCapability capability) {
        return std::uint64_t{1} << static_cast<unsigned>(capability);
    }

    std::uint64_t bits_ = 0;
};

} // namespace plugbay::core
