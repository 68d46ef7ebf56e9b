#include "core/kvm/kvm_capability.hpp"

#include <array>

namespace plugbay::core {

namespace {

using enum KvmCapability;

constexpr std::array all{
    KvmCapabilityInfo{user_memory, "USER_MEMORY", "guest memory", true},
    KvmCapabilityInfo{set_tss_address, "SET_TSS_ADDR", "real mode on older Intel processors", false},
    KvmCapabilityInfo{set_identity_map, "SET_IDENTITY_MAP_ADDR", "real mode on older Intel processors",
                      false},
    KvmCapabilityInfo{irqchip, "IRQCHIP", "interrupt controllers in the kernel", true},
    KvmCapabilityInfo{pit2, "PIT2", "the i8254 timer in the kernel", true},
    KvmCapabilityInfo{irq_routing, "IRQ_ROUTING", "message-signalled interrupts through eventfds", true},
    KvmCapabilityInfo{signal_msi, "SIGNAL_MSI", "message-signalled interrupts without a route", true},
    KvmCapabilityInfo{irqfd, "IRQFD", "interrupts raised by eventfds", true},
    KvmCapabilityInfo{ioeventfd, "IOEVENTFD", "guest writes that signal eventfds", true},
    KvmCapabilityInfo{extended_cpuid, "EXT_CPUID", "choosing what CPUID answers", true},
    KvmCapabilityInfo{mp_state, "MP_STATE", "more than one vCPU", true},
    KvmCapabilityInfo{immediate_exit, "IMMEDIATE_EXIT", "stopping a vCPU without a race", true},
    KvmCapabilityInfo{irqfd_resample, "IRQFD_RESAMPLE", "level-triggered interrupts raised by eventfds",
                      false},
    KvmCapabilityInfo{ioeventfd_any_length, "IOEVENTFD_ANY_LENGTH", "ioeventfds that match any write size",
                      false},
    KvmCapabilityInfo{ioeventfd_no_length, "IOEVENTFD_NO_LENGTH", "the fast path of any-size ioeventfds",
                      false},
    KvmCapabilityInfo{readonly_memory, "READONLY_MEM", "ROM that the guest cannot change", false},
    KvmCapabilityInfo{tsc_deadline_timer, "TSC_DEADLINE_TIMER", "the cheap mode of the guest's timer", false},
    KvmCapabilityInfo{user_space_msr, "X86_USER_SPACE_MSR", "MSRs answered by the monitor", false},
    KvmCapabilityInfo{vcpu_events, "VCPU_EVENTS", "saving pending exceptions and interrupts", false},
    KvmCapabilityInfo{debug_registers, "DEBUGREGS", "saving debug registers", false},
    KvmCapabilityInfo{xsave, "XSAVE", "saving vector registers", false},
    KvmCapabilityInfo{extended_control_registers, "XCRS", "saving XCR0", false},
    KvmCapabilityInfo{tsc_frequency, "GET_TSC_KHZ", "telling the guest its TSC frequency", false},
    KvmCapabilityInfo{kvm_clock, "ADJUST_CLOCK", "the paravirtual clock across a pause", false},
};

constexpr bool in_order() {
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (static_cast<std::size_t>(all[i].capability) != i) return false;
    }
    return all.size() == static_cast<std::size_t>(kvm_clock) + 1;
}
static_assert(in_order());

} // namespace

std::span<const KvmCapabilityInfo> kvm_capabilities() {
    return all;
}

} // namespace plugbay::core
