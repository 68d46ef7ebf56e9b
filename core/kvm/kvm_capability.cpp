#include "core/kvm/kvm_capability.hpp"

#include <array>
#include <linux/kvm.h>

namespace plugbay::core {

namespace {

using enum KvmCapability;

constexpr std::array all{
    KvmCapabilityInfo{user_memory, KVM_CAP_USER_MEMORY, "USER_MEMORY", "guest memory", true},
    KvmCapabilityInfo{set_tss_address, KVM_CAP_SET_TSS_ADDR, "SET_TSS_ADDR",
                      "real mode on older Intel processors", false},
    KvmCapabilityInfo{set_identity_map, KVM_CAP_SET_IDENTITY_MAP_ADDR, "SET_IDENTITY_MAP_ADDR",
                      "real mode on older Intel processors", false},
    KvmCapabilityInfo{irqchip, KVM_CAP_IRQCHIP, "IRQCHIP", "interrupt controllers in the kernel", true},
    KvmCapabilityInfo{pit2, KVM_CAP_PIT2, "PIT2", "the i8254 timer in the kernel", true},
    KvmCapabilityInfo{irq_routing, KVM_CAP_IRQ_ROUTING, "IRQ_ROUTING",
                      "message-signalled interrupts through eventfds", true},
    KvmCapabilityInfo{signal_msi, KVM_CAP_SIGNAL_MSI, "SIGNAL_MSI",
                      "message-signalled interrupts without a route", true},
    KvmCapabilityInfo{irqfd, KVM_CAP_IRQFD, "IRQFD", "interrupts raised by eventfds", true},
    KvmCapabilityInfo{ioeventfd, KVM_CAP_IOEVENTFD, "IOEVENTFD", "guest writes that signal eventfds", true},
    KvmCapabilityInfo{extended_cpuid, KVM_CAP_EXT_CPUID, "EXT_CPUID", "choosing what CPUID answers", true},
    KvmCapabilityInfo{mp_state, KVM_CAP_MP_STATE, "MP_STATE", "more than one vCPU", true},
    KvmCapabilityInfo{immediate_exit, KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT",
                      "stopping a vCPU without a race", true},
    KvmCapabilityInfo{irqfd_resample, KVM_CAP_IRQFD_RESAMPLE, "IRQFD_RESAMPLE",
                      "level-triggered interrupts raised by eventfds", false},
    KvmCapabilityInfo{ioeventfd_any_length, KVM_CAP_IOEVENTFD_ANY_LENGTH, "IOEVENTFD_ANY_LENGTH",
                      "ioeventfds that match any write size", false},
    KvmCapabilityInfo{ioeventfd_no_length, KVM_CAP_IOEVENTFD_NO_LENGTH, "IOEVENTFD_NO_LENGTH",
                      "the fast path of any-size ioeventfds", false},
    KvmCapabilityInfo{readonly_memory, KVM_CAP_READONLY_MEM, "READONLY_MEM",
                      "ROM that the guest cannot change", false},
    KvmCapabilityInfo{tsc_deadline_timer, KVM_CAP_TSC_DEADLINE_TIMER, "TSC_DEADLINE_TIMER",
                      "the cheap mode of the guest's timer", false},
    KvmCapabilityInfo{user_space_msr, KVM_CAP_X86_USER_SPACE_MSR, "X86_USER_SPACE_MSR",
                      "MSRs answered by the monitor", false},
    KvmCapabilityInfo{msr_filter, KVM_CAP_X86_MSR_FILTER, "X86_MSR_FILTER", "devices that answer for MSRs",
                      false},
    KvmCapabilityInfo{sync_registers, KVM_CAP_SYNC_REGS, "SYNC_REGS", "the quick way of hypercalls", false},
    KvmCapabilityInfo{vcpu_events, KVM_CAP_VCPU_EVENTS, "VCPU_EVENTS",
                      "saving pending exceptions and interrupts", false},
    KvmCapabilityInfo{debug_registers, KVM_CAP_DEBUGREGS, "DEBUGREGS", "saving debug registers", false},
    KvmCapabilityInfo{xsave, KVM_CAP_XSAVE, "XSAVE", "saving vector registers", false},
    KvmCapabilityInfo{extended_control_registers, KVM_CAP_XCRS, "XCRS", "saving XCR0", false},
    KvmCapabilityInfo{tsc_frequency, KVM_CAP_GET_TSC_KHZ, "GET_TSC_KHZ",
                      "telling the guest its TSC frequency", false},
    KvmCapabilityInfo{kvm_clock, KVM_CAP_ADJUST_CLOCK, "ADJUST_CLOCK", "the paravirtual clock across a pause",
                      false},
    KvmCapabilityInfo{guest_debug, KVM_CAP_SET_GUEST_DEBUG, "SET_GUEST_DEBUG", "debugging guests", false},
};

constexpr bool in_order() {
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (static_cast<std::size_t>(all[i].capability) != i) return false;
    }
    return all.size() == static_cast<std::size_t>(guest_debug) + 1;
}
static_assert(in_order());
static_assert(all.size() <= 64); // bits of a KvmCapabilitySet

} // namespace

std::span<const KvmCapabilityInfo> kvm_capabilities() {
    return all;
}

} // namespace plugbay::core
