#include "core/kvm/kvm_vm.hpp"

#include "core/base/errno_error.hpp"
#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/own_ranges.hpp"

namespace plugbay::core {

KvmVm::KvmVm(UniqueFd file, Options options, const KvmSystem& system)
    : file_(std::move(file)), options_(options), capabilities_(system.capabilities()),
      vcpu_page_size_(system.vcpu_page_size()), max_memory_slots_(system.max_memory_slots()),
      state_msrs_(system.state_msrs()) {}

KvmVm::~KvmVm() = default;

Result<std::unique_ptr<KvmVm>> KvmVm::create(const KvmSystem& system, Options options) {
    if (options.pit && !options.irqchip) return Error{"an in-kernel PIT needs the in-kernel irqchip", {}};

    constexpr long default_machine_type = 0;
    UniqueFd file(abi::call(system.file(), KVM_CREATE_VM, default_machine_type));
    if (!file) {
        return errno_error("KVM_CREATE_VM", errno,
                           "if another VM manager runs, stop it; see `dmesg | grep kvm` otherwise");
    }

    std::unique_ptr<KvmVm> vm(new KvmVm(std::move(file), options, system));
    if (vm->has(KvmCapability::set_identity_map)) {
        std::uint64_t address = identity_map_address;
        if (abi::call(vm->file(), KVM_SET_IDENTITY_MAP_ADDR, &address) < 0) {
            return errno_error("KVM_SET_IDENTITY_MAP_ADDR");
        }
    }
    if (vm->has(KvmCapability::set_tss_address)) {
        if (abi::call(vm->file(), KVM_SET_TSS_ADDR, tss_address) < 0) return errno_error("KVM_SET_TSS_ADDR");
    }
    if (options.irqchip) {
        if (auto created = vm->create_interrupt_controllers(); !created) return std::move(created).error();
    }
    return vm;
}

Result<void> KvmVm::create_interrupt_controllers() {
    if (abi::call(file(), KVM_CREATE_IRQCHIP, 0) < 0) return errno_error("KVM_CREATE_IRQCHIP");
    if (options_.pit) {
        kvm_pit_config config{};
        config.flags = KVM_PIT_SPEAKER_DUMMY;
        if (abi::call(file(), KVM_CREATE_PIT2, &config) < 0) return errno_error("KVM_CREATE_PIT2");
    }
    // A KVM without routing keeps its own fixed table; only MSI routes are lost, and set_msi_route() says so.
    if (has(KvmCapability::irq_routing)) return commit(routes_);
    return {};
}

Result<void> KvmVm::enable_msr_exits() {
    if (!has(KvmCapability::user_space_msr)) {
        return Error{"this KVM has no X86_USER_SPACE_MSR", "use Linux 5.10 or later"};
    }
    kvm_enable_cap enable{};
    enable.cap = KVM_CAP_X86_USER_SPACE_MSR;
    enable.args[0] = KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_FILTER;
    if (abi::call(file(), KVM_ENABLE_CAP, &enable) < 0)
        return errno_error("KVM_ENABLE_CAP X86_USER_SPACE_MSR");
    return {};
}

Result<void> KvmVm::intercept_msrs(std::span<const MsrInterception> interceptions) {
    if (!has(KvmCapability::msr_filter)) {
        return Error{"this KVM has no X86_MSR_FILTER", "use Linux 5.10 or later"};
    }
    auto ranges = compute_msr_filter(interceptions);
    if (!ranges) return std::move(ranges).error();
    if (auto enabled = enable_msr_exits(); !enabled) return enabled;
    kvm_msr_filter filter{};
    filter.flags = KVM_MSR_FILTER_DEFAULT_ALLOW;
    for (std::size_t i = 0; i < ranges->size(); ++i) {
        MsrFilterRange& range = (*ranges)[i];
        filter.ranges[i].flags =
            (range.read ? KVM_MSR_FILTER_READ : 0U) | (range.write ? KVM_MSR_FILTER_WRITE : 0U);
        filter.ranges[i].base = range.first;
        filter.ranges[i].nmsrs = range.count;
        filter.ranges[i].bitmap = range.allowed.data();
    }
    if (abi::call(file(), KVM_X86_SET_MSR_FILTER, &filter) < 0) return errno_error("KVM_X86_SET_MSR_FILTER");
    return {};
}

} // namespace plugbay::core
