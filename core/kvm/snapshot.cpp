#include "core/kvm/snapshot_state.hpp"

#include "core/base/errno_error.hpp"
#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/kvm_vcpu.hpp"
#include "core/kvm/kvm_vm.hpp"
#include "core/kvm/nested_guest.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <optional>
#include <span>
#include <string>

namespace plugbay::core {

namespace {

// What a guest can set and a reset has to undo (Intel SDM volume 4; KVM's own: Documentation/virt/kvm/x86/msr.rst), in
// addition to what KVM says of itself, which may be nothing. Those that a processor or a KVM does not have are skipped.
constexpr std::uint32_t known_msrs[] = {
    0x3b,                          // TSC adjust
    0x48,                          // speculation control
    0xc1,       0x186,      0x38f, // performance counting
    0x174,      0x175,      0x176, // sysenter
    0x17a,                         // machine-check status
    0x1a0,                         // miscellaneous enable
    0x1d9,                         // debug control
    0x277,                         // page attribute table
    0x200,      0x201,      0x202,      0x203,      0x204,      0x205,
    0x206,      0x207, // MTRRs, variable
    0x208,      0x209,      0x20a,      0x20b,      0x20c,      0x20d,
    0x20e,      0x20f, //
    0x250,      0x258,      0x259,      0x268,      0x269,      0x26a,
    0x26b,      0x26c,      0x26d,      0x26e,      0x26f, // MTRRs, fixed
    0x2ff,                                                 // MTRR default type
    0x6e0,                                                 // TSC deadline
    0xda0,                                                 // supervisor extended state
    0x11,       0x12,       0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03,
    0x4b564d04, 0x4b564d05, 0x4b564d06,                                     // KVM
    0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0xc0000103, // syscall, GS base, TSC auxiliary
};

constexpr std::uint32_t time_stamp_counter = 0x10;

// Not what counts by itself, nor Hyper-V's, some of which do something when they are written.
bool kept(std::uint32_t msr) {
    constexpr std::uint32_t hyper_v = 0x4000'0000, end_of_hyper_v = 0x4000'0200;
    return msr != time_stamp_counter && (msr < hyper_v || msr >= end_of_hyper_v);
}

// Ascending, each once.
std::vector<std::uint32_t> msr_numbers(const KvmVm& vm) {
    std::vector<std::uint32_t> numbers(std::begin(known_msrs), std::end(known_msrs));
    std::ranges::copy_if(vm.state_msrs(), std::back_inserter(numbers), kept);
    std::ranges::sort(numbers);
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return numbers;
}

// Those that can be read, many with a call: KVM stops at the first that it refuses.
std::vector<kvm_msr_entry> read_msrs(int file, std::span<const std::uint32_t> numbers) {
    std::vector<kvm_msr_entry> read;
    while (!numbers.empty()) {
        abi::CountedArray<kvm_msr_entry> some(numbers.size());
        for (std::size_t i = 0; i < numbers.size(); ++i)
            some.entries()[i].index = numbers[i];
        const int result = abi::call(file, abi::get_msrs, some.data());
        const std::size_t done = result < 0 ? 0 : static_cast<std::size_t>(result);
        read.insert(read.end(), some.entries().begin(),
                    some.entries().begin() + static_cast<std::ptrdiff_t>(done));
        numbers = numbers.subspan(std::min(done + 1, numbers.size()));
    }
    return read;
}

// A value that was read and cannot be written is one that no guest can have changed: it is skipped.
void write_msrs(int file, std::span<const kvm_msr_entry> entries) {
    while (!entries.empty()) {
        abi::CountedArray<kvm_msr_entry> some(entries.size());
        std::ranges::copy(entries, some.entries().begin());
        const int result = abi::call(file, abi::set_msrs, some.data());
        const std::size_t done = result < 0 ? 0 : static_cast<std::size_t>(result);
        entries = entries.subspan(std::min(done + 1, entries.size()));
    }
}

// A call that reads or writes a part of the state failed. `errno` is looked at before anything can change it.
Error state_error(const std::string& what, const char* call, int error_number) {
    return with_context(what,
                        errno_error(call, error_number,
                                    "`plugbay doctor` says what this KVM can do; if it misses nothing, see "
                                    "`dmesg | grep kvm`"));
}
Error chip_error(const char* chip, const char* done, const char* call, int error_number = errno) {
    return state_error(std::string("the state of ") + chip + " cannot be " + done, call, error_number);
}

// By KVM's chip id.
constexpr std::array chip_names{"the first PIC", "the second PIC", "the I/O APIC"};

} // namespace

VcpuSnapshot::VcpuSnapshot(std::unique_ptr<State> state) : state_(std::move(state)) {}
VcpuSnapshot::VcpuSnapshot(VcpuSnapshot&&) noexcept = default;
VcpuSnapshot& VcpuSnapshot::operator=(VcpuSnapshot&&) noexcept = default;
VcpuSnapshot::~VcpuSnapshot() = default;

Result<VcpuSnapshot> VcpuSnapshot::take(const KvmVcpu& vcpu) {
    const int file = vcpu.file();
    const auto failed = [&](const char* call, int error_number = errno) {
        return state_error("the state of vCPU " + std::to_string(vcpu.index()) + " cannot be read", call,
                           error_number);
    };
    auto state = std::make_unique<State>();
    if (abi::call(file, KVM_GET_REGS, &state->registers) < 0) return failed("KVM_GET_REGS");
    if (abi::call(file, KVM_GET_SREGS, &state->special) < 0) return failed("KVM_GET_SREGS");
    if (abi::call(file, KVM_GET_FPU, &state->fpu) < 0) return failed("KVM_GET_FPU");
    if (abi::call(file, KVM_GET_LAPIC, &state->apic) < 0) return failed("KVM_GET_LAPIC");
    if (abi::call(file, KVM_GET_MP_STATE, &state->run_state) < 0) return failed("KVM_GET_MP_STATE");
    // What a KVM does not have, its guests cannot change either.
    if (vcpu.has(KvmCapability::xsave)) {
        if (abi::call(file, abi::get_xsave, state->extended.emplace().data()) < 0)
            return failed("KVM_GET_XSAVE");
    }
    if (vcpu.has(KvmCapability::extended_control_registers)) {
        if (abi::call(file, KVM_GET_XCRS, &state->control.emplace()) < 0) return failed("KVM_GET_XCRS");
    }
    if (vcpu.has(KvmCapability::debug_registers)) {
        if (abi::call(file, KVM_GET_DEBUGREGS, &state->debug.emplace()) < 0)
            return failed("KVM_GET_DEBUGREGS");
    }
    if (vcpu.has(KvmCapability::vcpu_events)) {
        if (abi::call(file, KVM_GET_VCPU_EVENTS, &state->events.emplace()) < 0)
            return failed("KVM_GET_VCPU_EVENTS");
    }
    auto nested = get_nested_state(vcpu);
    if (!nested) return failed("KVM_GET_NESTED_STATE");
    state->nested = *std::move(nested);
    state->msrs = read_msrs(file, msr_numbers(vcpu.vm()));
    for (const kvm_msr_entry& entry : read_msrs(file, {&time_stamp_counter, 1}))
        state->time_stamp = entry.data;
    return VcpuSnapshot(std::move(state));
}

Result<void> VcpuSnapshot::apply(const KvmVcpu& vcpu) const {
    const int file = vcpu.file();
    const auto failed = [&](const char* call, int error_number = errno) {
        return state_error("the state of vCPU " + std::to_string(vcpu.index()) + " cannot be put back", call,
                           error_number);
    };
    State& state = *state_;
    // What the guest does with guests of its own ends before anything else: until then KVM refuses special registers
    // with virtualisation off, and changes to the MSRs that say what it can do; and to end it replaces registers.
    if (!leave_nested_guests(vcpu)) return failed("KVM_SET_NESTED_STATE");
    // The run state before the rest: KVM refuses some of the rest while a vCPU waits for INIT. The local APIC after the
    // special registers, which hold its base, and before the deadline MSR, which needs its mode.
    if (abi::call(file, KVM_SET_MP_STATE, &state.run_state) < 0) return failed("KVM_SET_MP_STATE");
    if (abi::call(file, KVM_SET_SREGS, &state.special) < 0) return failed("KVM_SET_SREGS");
    if (abi::call(file, KVM_SET_REGS, &state.registers) < 0) return failed("KVM_SET_REGS");
    if (state.control && abi::call(file, KVM_SET_XCRS, &*state.control) < 0) return failed("KVM_SET_XCRS");
    if (state.extended) {
        if (abi::call(file, abi::set_xsave, state.extended->data()) < 0) return failed("KVM_SET_XSAVE");
    } else if (abi::call(file, KVM_SET_FPU, &state.fpu) < 0) {
        return failed("KVM_SET_FPU");
    }
    if (abi::call(file, KVM_SET_LAPIC, &state.apic) < 0) return failed("KVM_SET_LAPIC");
    write_msrs(file, state.msrs);
    if (!state.nested.empty() && !set_nested_state(vcpu, state.nested)) return failed("KVM_SET_NESTED_STATE");
    if (state.debug && abi::call(file, KVM_SET_DEBUGREGS, &*state.debug) < 0)
        return failed("KVM_SET_DEBUGREGS");
    if (state.events && abi::call(file, KVM_SET_VCPU_EVENTS, &*state.events) < 0) {
        return failed("KVM_SET_VCPU_EVENTS");
    }
    return {};
}

Result<void> VcpuSnapshot::apply_time_stamp(const KvmVcpu& vcpu) const {
    abi::CountedArray<kvm_msr_entry> one(1);
    one.entries()[0] = {.index = time_stamp_counter, .reserved = 0, .data = state_->time_stamp};
    if (abi::call(vcpu.file(), abi::set_msrs, one.data()) != 1) {
        return state_error("the time stamp counter of vCPU " + std::to_string(vcpu.index()) +
                               " cannot be set",
                           "KVM_SET_MSRS", errno);
    }
    return {};
}

ChipSnapshot::ChipSnapshot(std::unique_ptr<State> state) : state_(std::move(state)) {}
ChipSnapshot::ChipSnapshot(ChipSnapshot&&) noexcept = default;
ChipSnapshot& ChipSnapshot::operator=(ChipSnapshot&&) noexcept = default;
ChipSnapshot::~ChipSnapshot() = default;

Result<ChipSnapshot> ChipSnapshot::take(const KvmVm& vm) {
    auto state = std::make_unique<State>();
    for (std::uint32_t id = 0; id < state->chips.size(); ++id) {
        state->chips[id].chip_id = id; // KVM_IRQCHIP_PIC_MASTER, _PIC_SLAVE, _IOAPIC
        if (abi::call(vm.file(), KVM_GET_IRQCHIP, &state->chips[id]) < 0)
            return chip_error(chip_names[id], "read", "KVM_GET_IRQCHIP");
    }
    if (vm.options().pit) {
        kvm_pit_state2 pit{};
        if (abi::call(vm.file(), KVM_GET_PIT2, &pit) < 0)
            return chip_error("the PIT", "read", "KVM_GET_PIT2");
        state->pit = pit;
    }
    return ChipSnapshot(std::move(state));
}

Result<void> ChipSnapshot::apply(const KvmVm& vm) const {
    State state = *state_;
    for (kvm_irqchip& chip : state.chips) {
        if (abi::call(vm.file(), KVM_SET_IRQCHIP, &chip) < 0)
            return chip_error(chip_names[chip.chip_id], "put back", "KVM_SET_IRQCHIP");
    }
    if (state.pit && abi::call(vm.file(), KVM_SET_PIT2, &*state.pit) < 0)
        return chip_error("the PIT", "put back", "KVM_SET_PIT2");
    return {};
}

ClockSnapshot::ClockSnapshot(std::unique_ptr<State> state) : state_(std::move(state)) {}
ClockSnapshot::ClockSnapshot(ClockSnapshot&&) noexcept = default;
ClockSnapshot& ClockSnapshot::operator=(ClockSnapshot&&) noexcept = default;
ClockSnapshot::~ClockSnapshot() = default;

Result<ClockSnapshot> ClockSnapshot::take(const KvmVm& vm) {
    auto state = std::make_unique<State>();
    if (vm.has(KvmCapability::kvm_clock)) {
        if (abi::call(vm.file(), KVM_GET_CLOCK, &state->clock.emplace()) < 0)
            return chip_error("the guest's clock", "read", "KVM_GET_CLOCK");
        state->clock->flags = 0; // what it told; to be set is this time, wherever the host's is by then
    }
    if (vm.options().pit && abi::call(vm.file(), KVM_GET_PIT2, &state->pit.emplace()) < 0)
        return chip_error("the PIT", "read", "KVM_GET_PIT2");
    return ClockSnapshot(std::move(state));
}

Result<void> ClockSnapshot::apply(const KvmVm& vm) const {
    State state = *state_;
    if (state.clock && abi::call(vm.file(), KVM_SET_CLOCK, &*state.clock) < 0)
        return chip_error("the guest's clock", "put back", "KVM_SET_CLOCK");
    if (state.pit && abi::call(vm.file(), KVM_SET_PIT2, &*state.pit) < 0)
        return chip_error("the PIT", "put back", "KVM_SET_PIT2");
    return {};
}

void ClockSnapshot::tell_paused(const KvmVcpu& vcpu) {
    if (vcpu.has(KvmCapability::kvm_clock))
        static_cast<void>(abi::call(vcpu.file(), KVM_KVMCLOCK_CTRL, nullptr));
}

} // namespace plugbay::core
