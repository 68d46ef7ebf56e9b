// KvmVcpu: CPUID, boot defaults and registers.
#include "core/base/errno_error.hpp"
#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/kvm_vcpu.hpp"

#include <algorithm>

namespace plugbay::core {

namespace {

constexpr std::uint32_t msr_misc_enable = 0x1A0;
constexpr std::uint64_t misc_enable_fast_strings = 1;
constexpr std::uint32_t msr_mtrr_default_type = 0x2FF;
constexpr std::uint64_t mtrr_enable = 1U << 11;
constexpr std::uint64_t mtrr_write_back = 6;

constexpr std::size_t apic_lint0 = 0x350;
constexpr std::size_t apic_lint1 = 0x360;
constexpr std::uint32_t apic_delivery_mask = 7U << 8;
constexpr std::uint32_t apic_delivery_nmi = 4U << 8;
constexpr std::uint32_t apic_delivery_external = 7U << 8;
constexpr std::uint32_t apic_masked = 1U << 16;

void set_local_vector(kvm_lapic_state& apic, std::size_t offset, std::uint32_t delivery) {
    std::uint32_t value = 0;
    std::memcpy(&value, apic.regs + offset, sizeof value);
    value = (value & ~(apic_delivery_mask | apic_masked)) | delivery;
    std::memcpy(apic.regs + offset, &value, sizeof value);
}

void copy(const kvm_segment& from, Segment& to) {
    to.base = from.base;
    to.limit = from.limit;
    to.selector = from.selector;
    to.type = from.type;
    to.dpl = from.dpl;
    to.present = from.present != 0;
    to.default_big = from.db != 0;
    to.code_or_data = from.s != 0;
    to.long_mode = from.l != 0;
    to.granularity = from.g != 0;
    to.available = from.avl != 0;
    to.unusable = from.unusable != 0;
}

void copy(const Segment& from, kvm_segment& to) {
    to.base = from.base;
    to.limit = from.limit;
    to.selector = from.selector;
    to.type = from.type;
    to.dpl = from.dpl;
    to.present = from.present;
    to.db = from.default_big;
    to.s = from.code_or_data;
    to.l = from.long_mode;
    to.g = from.granularity;
    to.avl = from.available;
    to.unusable = from.unusable;
}

// Between kvm_sregs and SpecialRegisters, either way: outside of segments both use the same names.
template <typename From, typename To>
void copy_special(const From& from, To& to) {
    copy(from.cs, to.cs);
    copy(from.ds, to.ds);
    copy(from.es, to.es);
    copy(from.fs, to.fs);
    copy(from.gs, to.gs);
    copy(from.ss, to.ss);
    copy(from.tr, to.tr);
    copy(from.ldt, to.ldt);
    to.gdt.base = from.gdt.base;
    to.gdt.limit = from.gdt.limit;
    to.idt.base = from.idt.base;
    to.idt.limit = from.idt.limit;
    to.cr0 = from.cr0;
    to.cr2 = from.cr2;
    to.cr3 = from.cr3;
    to.cr4 = from.cr4;
    to.cr8 = from.cr8;
    to.efer = from.efer;
    to.apic_base = from.apic_base;
}

GeneralRegisters from_kernel(const kvm_regs& r) {
    return {r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rsp, r.rbp, r.r8,
            r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip, r.rflags};
}

kvm_regs to_kernel(const GeneralRegisters& g) {
    return {g.rax, g.rbx, g.rcx, g.rdx, g.rsi, g.rdi, g.rsp, g.rbp, g.r8,
            g.r9,  g.r10, g.r11, g.r12, g.r13, g.r14, g.r15, g.rip, g.rflags};
}

std::string name(std::uint32_t index) {
    return ", vCPU " + std::to_string(index);
}

} // namespace

Result<void> KvmVcpu::set_cpuid(CpuidTable supported, std::uint32_t vcpu_count,
                                std::span<const CpuidEditor> editors) {
    if (vcpu_count == 0 || vcpu_count > max_vcpu_count || index_ >= vcpu_count) {
        return Error{"vCPU " + std::to_string(index_) + " of " + std::to_string(vcpu_count) +
                         ": a machine has 1 to " + std::to_string(max_vcpu_count) + " vCPUs",
                     {}};
    }
    apply_topology(supported, index_, vcpu_count);
    set_tsc_deadline(supported, tsc_deadline_);
    for (const auto& edit : editors)
        edit(supported, index_);

    const auto& entries = supported.entries();
    abi::CountedArray<kvm_cpuid_entry2> table(entries.size());
    std::transform(entries.begin(), entries.end(), table.entries().begin(), [](const CpuidEntry& entry) {
        kvm_cpuid_entry2 kernel{};
        kernel.function = entry.leaf;
        kernel.index = entry.subleaf;
        kernel.flags = entry.subleaf_significant ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0U;
        kernel.eax = entry.eax;
        kernel.ebx = entry.ebx;
        kernel.ecx = entry.ecx;
        kernel.edx = entry.edx;
        return kernel;
    });
    if (abi::call(file_.get(), abi::set_cpuid2, table.data()) < 0) {
        return errno_error("KVM_SET_CPUID2 with " + std::to_string(entries.size()) + " entries" +
                           name(index_));
    }
    return {};
}

KvmVcpu::BootDefaults KvmVcpu::set_boot_defaults() {
    BootDefaults defaults;
    kvm_lapic_state apic{};
    if (abi::call(file_.get(), KVM_GET_LAPIC, &apic) == 0) {
        // The PICs' output is wired to the first processor alone, NMI to all.
        if (index_ == 0) set_local_vector(apic, apic_lint0, apic_delivery_external);
        set_local_vector(apic, apic_lint1, apic_delivery_nmi);
        defaults.local_interrupts = abi::call(file_.get(), KVM_SET_LAPIC, &apic) == 0;
    }
    if (const auto misc = msr(msr_misc_enable)) {
        defaults.fast_strings = static_cast<bool>(set_msr(msr_misc_enable, *misc | misc_enable_fast_strings));
    }
    defaults.write_back_default =
        static_cast<bool>(set_msr(msr_mtrr_default_type, mtrr_enable | mtrr_write_back));
    return defaults;
}

Result<void> KvmVcpu::set_entry(const CpuEntry& entry) {
    const auto reset = special_registers();
    if (!reset) return reset.error();
    const auto state = entry_registers(entry, *reset);
    if (!state) return state.error();
    if (auto set = set_special_registers(state->special); !set) return set;
    return set_general_registers(state->general);
}

Result<GeneralRegisters> KvmVcpu::general_registers() const {
    kvm_regs r{};
    if (abi::call(file_.get(), KVM_GET_REGS, &r) < 0) return errno_error("KVM_GET_REGS" + name(index_));
    return from_kernel(r);
}

Result<void> KvmVcpu::set_general_registers(const GeneralRegisters& g) {
    kvm_regs r = to_kernel(g);
    if (abi::call(file_.get(), KVM_SET_REGS, &r) < 0) return errno_error("KVM_SET_REGS" + name(index_));
    return {};
}

// KVM fills the page at each exit once it is asked to, which guests without hypercalls need not pay for.
Result<GeneralRegisters> KvmVcpu::exit_registers() {
    auto& run = *reinterpret_cast<kvm_run*>(page_);
    if (run.kvm_valid_regs != 0) return from_kernel(run.s.regs.regs);
    if (has(KvmCapability::sync_registers)) run.kvm_valid_regs = KVM_SYNC_X86_REGS;
    return general_registers();
}

Result<void> KvmVcpu::set_exit_registers(const GeneralRegisters& registers) {
    if (!has(KvmCapability::sync_registers)) return set_general_registers(registers);
    auto& run = *reinterpret_cast<kvm_run*>(page_);
    run.s.regs.regs = to_kernel(registers);
    run.kvm_dirty_regs = KVM_SYNC_X86_REGS;
    return {};
}

Result<SpecialRegisters> KvmVcpu::special_registers() const {
    kvm_sregs kernel{};
    if (abi::call(file_.get(), KVM_GET_SREGS, &kernel) < 0)
        return errno_error("KVM_GET_SREGS" + name(index_));
    SpecialRegisters registers;
    copy_special(kernel, registers);
    return registers;
}

Result<void> KvmVcpu::set_special_registers(const SpecialRegisters& registers) {
    kvm_sregs kernel{};
    // Read first, so that the pending-interrupt bitmap stays.
    if (abi::call(file_.get(), KVM_GET_SREGS, &kernel) < 0)
        return errno_error("KVM_GET_SREGS" + name(index_));
    copy_special(registers, kernel);
    if (abi::call(file_.get(), KVM_SET_SREGS, &kernel) < 0)
        return errno_error("KVM_SET_SREGS" + name(index_));
    return {};
}

Result<std::uint64_t> KvmVcpu::msr(std::uint32_t index) const {
    abi::CountedArray<kvm_msr_entry> list(1);
    list.entries()[0].index = index;
    const int done = abi::call(file_.get(), abi::get_msrs, list.data());
    if (done < 0) return errno_error("KVM_GET_MSRS " + std::to_string(index) + name(index_));
    if (done == 0) return Error{"this KVM has no MSR " + std::to_string(index), {}};
    return std::uint64_t{list.entries()[0].data};
}

Result<void> KvmVcpu::set_msr(std::uint32_t index, std::uint64_t value) {
    abi::CountedArray<kvm_msr_entry> list(1);
    list.entries()[0].index = index;
    list.entries()[0].data = value;
    const int done = abi::call(file_.get(), abi::set_msrs, list.data());
    if (done < 0) return errno_error("KVM_SET_MSRS " + std::to_string(index) + name(index_));
    if (done == 0) return Error{"this KVM refuses MSR " + std::to_string(index), {}};
    return {};
}

std::optional<std::uint64_t> KvmVcpu::translate(std::uint64_t linear_address) const {
    kvm_translation translation{};
    translation.linear_address = linear_address;
    if (abi::call(file_.get(), KVM_TRANSLATE, &translation) < 0 || translation.valid == 0)
        return std::nullopt;
    return translation.physical_address;
}

} // namespace plugbay::core
