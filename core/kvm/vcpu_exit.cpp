#include "core/kvm/vcpu_exit.hpp"

#include "core/kvm/kvm_abi.hpp"

namespace plugbay::core {

namespace {

VcpuExit unknown(std::uint32_t reason) {
    VcpuExit exit;
    exit.kind = VcpuExit::Kind::unknown;
    exit.code = reason;
    return exit;
}

VcpuExit decode_port(std::byte* page, std::size_t page_size, const kvm_run& run) {
    const std::uint64_t size = run.io.size;
    const bool size_known = size == 1 || size == 2 || size == 4;
    const std::uint64_t offset = run.io.data_offset;
    if (!size_known || offset > page_size || size * run.io.count > page_size - offset) {
        return unknown(run.exit_reason);
    }
    VcpuExit exit;
    exit.kind = run.io.direction == KVM_EXIT_IO_IN ? VcpuExit::Kind::port_in : VcpuExit::Kind::port_out;
    exit.port = {page + offset, run.io.count, run.io.port, run.io.size};
    return exit;
}

VcpuExit decode_mmio(kvm_run& run) {
    if (run.mmio.len == 0 || run.mmio.len > sizeof run.mmio.data) return unknown(run.exit_reason);
    VcpuExit exit;
    exit.kind = run.mmio.is_write ? VcpuExit::Kind::mmio_write : VcpuExit::Kind::mmio_read;
    exit.mmio = {run.mmio.phys_addr, reinterpret_cast<std::byte*>(&run.mmio.data[0]),
                 static_cast<std::uint8_t>(run.mmio.len)};
    return exit;
}

VcpuExit decode_internal_error(const kvm_run& run) {
    constexpr std::uint32_t most = sizeof run.internal.data / sizeof run.internal.data[0];
    VcpuExit exit;
    exit.kind = VcpuExit::Kind::internal_error;
    // The kernel's __u64 and std::uint64_t are different types of one size.
    exit.internal = {reinterpret_cast<const std::uint64_t*>(&run.internal.data[0]),
                     run.internal.ndata < most ? run.internal.ndata : most, run.internal.suberror};
    return exit;
}

VcpuExit decode_msr(kvm_run& run, VcpuExit::Kind kind) {
    VcpuExit exit;
    exit.kind = kind;
    exit.msr = {reinterpret_cast<std::uint64_t*>(&run.msr.data), &run.msr.error, run.msr.index};
    return exit;
}

VcpuExit decode_system_event(const kvm_run& run) {
    using Type = VcpuExit::Event::Type;
    VcpuExit exit;
    exit.kind = VcpuExit::Kind::system_event;
    exit.event = {Type::other, run.system_event.type};
    switch (run.system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        exit.event.type = Type::shutdown;
        break;
    case KVM_SYSTEM_EVENT_RESET:
        exit.event.type = Type::reset;
        break;
    case KVM_SYSTEM_EVENT_CRASH:
        exit.event.type = Type::crash;
        break;
    default:
        break;
    }
    return exit;
}

} // namespace

VcpuExit decode_exit(std::byte* run_page, std::size_t page_size) {
    auto& run = *reinterpret_cast<kvm_run*>(run_page);
    VcpuExit exit;
    switch (run.exit_reason) {
    case KVM_EXIT_IO:
        return decode_port(run_page, page_size, run);
    case KVM_EXIT_MMIO:
        return decode_mmio(run);
    case KVM_EXIT_HLT:
        exit.kind = VcpuExit::Kind::halt;
        return exit;
    case KVM_EXIT_SHUTDOWN:
        exit.kind = VcpuExit::Kind::shutdown;
        return exit;
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
        exit.kind = VcpuExit::Kind::interrupted;
        return exit;
    case KVM_EXIT_INTERNAL_ERROR:
        return decode_internal_error(run);
    case KVM_EXIT_FAIL_ENTRY:
        exit.kind = VcpuExit::Kind::entry_failure;
        exit.entry = {run.fail_entry.hardware_entry_failure_reason, run.fail_entry.cpu};
        return exit;
    case KVM_EXIT_SYSTEM_EVENT:
        return decode_system_event(run);
    case KVM_EXIT_DEBUG:
        exit.kind = VcpuExit::Kind::debug;
        exit.debug = {run.debug.arch.pc, run.debug.arch.dr6, run.debug.arch.exception};
        return exit;
    case KVM_EXIT_X86_RDMSR:
        return decode_msr(run, VcpuExit::Kind::read_msr);
    case KVM_EXIT_X86_WRMSR:
        return decode_msr(run, VcpuExit::Kind::write_msr);
    default:
        return unknown(run.exit_reason);
    }
}

const char* exit_kind_name(VcpuExit::Kind kind) {
    using Kind = VcpuExit::Kind;
    switch (kind) {
    case Kind::port_in:
        return "port in";
    case Kind::port_out:
        return "port out";
    case Kind::mmio_read:
        return "MMIO read";
    case Kind::mmio_write:
        return "MMIO write";
    case Kind::halt:
        return "halt";
    case Kind::shutdown:
        return "shutdown (triple fault)";
    case Kind::internal_error:
        return "KVM internal error";
    case Kind::entry_failure:
        return "entry failure";
    case Kind::system_event:
        return "system event";
    case Kind::debug:
        return "debug exception";
    case Kind::read_msr:
        return "MSR read";
    case Kind::write_msr:
        return "MSR write";
    case Kind::interrupted:
        return "interrupted";
    case Kind::run_failed:
        return "KVM_RUN failed";
    case Kind::unknown:
        break;
    }
    return "unknown exit";
}

const char* internal_error_name(std::uint32_t suberror) {
    switch (suberror) {
    case KVM_INTERNAL_ERROR_EMULATION:
        return "instruction that KVM cannot emulate";
    case KVM_INTERNAL_ERROR_SIMUL_EX:
        return "simultaneous exceptions";
    case KVM_INTERNAL_ERROR_DELIVERY_EV:
        return "exit while delivering an event";
    case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
        return "exit that KVM does not expect";
    default:
        return "unknown suberror";
    }
}

} // namespace plugbay::core
