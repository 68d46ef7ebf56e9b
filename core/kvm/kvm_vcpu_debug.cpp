// KvmVcpu: debugging, and the floating-point registers that debuggers show.
#include "core/base/errno_error.hpp"
#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/kvm_vcpu.hpp"

namespace plugbay::core {

namespace {

constexpr std::uint32_t breakpoint_exception = 3;

kvm_guest_debug to_kernel(const VcpuDebug& debug) {
    kvm_guest_debug kernel{};
    if (debug.single_step) kernel.control |= KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ;
    if (debug.software_breakpoints) kernel.control |= KVM_GUESTDBG_USE_SW_BP;
    for (std::size_t i = 0; i < debug.slots.size(); ++i) {
        if (!debug.slots[i]) continue;
        kernel.control |= KVM_GUESTDBG_USE_HW_BP;
        kernel.arch.debugreg[i] = debug.slots[i]->address;
    }
    kernel.arch.debugreg[7] = breakpoint_control(debug.slots);
    if (kernel.control != 0) kernel.control |= KVM_GUESTDBG_ENABLE;
    return kernel;
}

template <typename From, typename To>
void copy_bytes(const From& from, To& to) {
    static_assert(sizeof from == sizeof to);
    std::memcpy(&to, &from, sizeof to);
}

// Between kvm_fpu and FloatingRegisters, either way.
void copy(const kvm_fpu& from, FloatingRegisters& to) {
    copy_bytes(from.fpr, to.stack);
    copy_bytes(from.xmm, to.xmm);
    to.control = from.fcw;
    to.status = from.fsw;
    to.tags = from.ftwx;
    to.last_opcode = from.last_opcode;
    to.last_instruction = from.last_ip;
    to.last_operand = from.last_dp;
    to.mxcsr = from.mxcsr;
}

void copy(const FloatingRegisters& from, kvm_fpu& to) {
    copy_bytes(from.stack, to.fpr);
    copy_bytes(from.xmm, to.xmm);
    to.fcw = from.control;
    to.fsw = from.status;
    to.ftwx = from.tags;
    to.last_opcode = from.last_opcode;
    to.last_ip = from.last_instruction;
    to.last_dp = from.last_operand;
    to.mxcsr = from.mxcsr;
}

std::string name(std::uint32_t index) {
    return ", vCPU " + std::to_string(index);
}

} // namespace

Result<void> KvmVcpu::set_debug(const VcpuDebug& debug) {
    kvm_guest_debug kernel = to_kernel(debug);
    if (abi::call(file_.get(), KVM_SET_GUEST_DEBUG, &kernel) < 0)
        return errno_error("KVM_SET_GUEST_DEBUG" + name(index_));
    return {};
}

Result<void> KvmVcpu::reflect_debug(const VcpuExit::Debug& exit, const VcpuDebug& debug) {
    kvm_guest_debug kernel = to_kernel(debug);
    kernel.control |= KVM_GUESTDBG_ENABLE;
    if (exit.exception == breakpoint_exception) {
        kernel.control |= KVM_GUESTDBG_INJECT_BP;
    } else {
        kernel.control |= KVM_GUESTDBG_INJECT_DB;
        // The guest's handler asks its DR6 why.
        kvm_debugregs registers{};
        if (has(KvmCapability::debug_registers) &&
            abi::call(file_.get(), KVM_GET_DEBUGREGS, &registers) == 0) {
            registers.dr6 |= exit.status;
            static_cast<void>(abi::call(file_.get(), KVM_SET_DEBUGREGS, &registers));
        }
    }
    if (abi::call(file_.get(), KVM_SET_GUEST_DEBUG, &kernel) < 0)
        return errno_error("KVM_SET_GUEST_DEBUG, to give the guest an exception" + name(index_));
    return {};
}

Result<FloatingRegisters> KvmVcpu::floating_registers() const {
    kvm_fpu kernel{};
    if (abi::call(file_.get(), KVM_GET_FPU, &kernel) < 0) return errno_error("KVM_GET_FPU" + name(index_));
    FloatingRegisters registers;
    copy(kernel, registers);
    return registers;
}

Result<void> KvmVcpu::set_floating_registers(const FloatingRegisters& registers) {
    kvm_fpu kernel{};
    copy(registers, kernel);
    if (abi::call(file_.get(), KVM_SET_FPU, &kernel) < 0) return errno_error("KVM_SET_FPU" + name(index_));
    return {};
}

} // namespace plugbay::core
