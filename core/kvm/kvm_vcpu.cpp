#include "core/kvm/kvm_vcpu.hpp"

#include "core/base/errno_error.hpp"
#include "core/kvm/kick_signal.hpp"
#include "core/kvm/kvm_abi.hpp"
#include "core/kvm/kvm_vm.hpp"

#include <sys/mman.h>

namespace plugbay::core {

namespace {

// The byte that both this process and KVM look at. The shared page outlives every use.
std::atomic_ref<std::uint8_t> immediate_exit(std::byte* page) {
    return std::atomic_ref<std::uint8_t>(reinterpret_cast<kvm_run*>(page)->immediate_exit);
}

} // namespace

KvmVcpu::KvmVcpu(UniqueFd file, std::byte* page, const KvmVm& vm, std::uint32_t index)
    : vm_(vm), file_(std::move(file)), page_(page), page_size_(vm.vcpu_page_size()), index_(index),
      capabilities_(vm.capabilities()),
      tsc_deadline_(vm.options().irqchip && vm.has(KvmCapability::tsc_deadline_timer)) {}

KvmVcpu::~KvmVcpu() {
    ::munmap(page_, page_size_);
}

Result<std::unique_ptr<KvmVcpu>> KvmVcpu::create(const KvmVm& vm, std::uint32_t index) {
    const std::string what = "vCPU " + std::to_string(index);
    if (index >= max_vcpu_count) {
        return Error{what + ": a machine has at most " + std::to_string(max_vcpu_count) + " vCPUs", {}};
    }
    install_kick_signal();
    UniqueFd file(abi::call(vm.file(), KVM_CREATE_VCPU, static_cast<unsigned long>(index)));
    if (!file) return errno_error("KVM_CREATE_VCPU, " + what);
    void* const page =
        ::mmap(nullptr, vm.vcpu_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (page == MAP_FAILED) return errno_error("mapping the page shared with " + what);
    return std::unique_ptr<KvmVcpu>(new KvmVcpu(std::move(file), static_cast<std::byte*>(page), vm, index));
}

void KvmVcpu::bind_to_this_thread() {
    const int self = kernel_thread_id();
    if (thread_.load(std::memory_order_relaxed) == self) return;
    unblock_kick_signal();
    // Sequentially consistent against request_exit(): either that sees this thread and signals it, or KVM
    // sees the flag that was set before.
    thread_.store(self);
}

VcpuExit KvmVcpu::enter() {
    if (::ioctl(file_.get(), KVM_RUN, 0) == 0) return decode_exit(page_, page_size_);
    VcpuExit exit;
    if (errno == EINTR || errno == EAGAIN) {
        exit.kind = VcpuExit::Kind::interrupted;
        return exit;
    }
    // Some KVMs fill in the reason and return EFAULT or EIO as well; the errno says less than nothing then,
    // but a stale reason would say something false.
    exit.kind = VcpuExit::Kind::run_failed;
    exit.code = static_cast<std::uint64_t>(errno);
    return exit;
}

VcpuExit KvmVcpu::run() {
    bind_to_this_thread();
    const VcpuExit exit = enter();
    if (exit.kind == VcpuExit::Kind::interrupted) {
        // Requests up to here are answered by this return: each stored its condition first, and the caller
        // looks at conditions after it. In this order a request that falls in between leaves immediate_exit
        // set or is answered; at worst the next run() is interrupted once for nothing.
        exit_requested_.store(false);
        immediate_exit(page_).store(0);
    }
    return exit;
}

void KvmVcpu::request_exit() {
    exit_requested_.store(true);
    immediate_exit(page_).store(1);
    if (const int thread = thread_.load(); thread != 0) kick_thread(thread);
}

VcpuExit KvmVcpu::complete_pending_io() {
    bind_to_this_thread();
    immediate_exit(page_).store(1);
    const VcpuExit exit = enter();
    immediate_exit(page_).store(0);
    // Requests that came meanwhile stay pending for the next run().
    if (exit_requested_.load()) immediate_exit(page_).store(1);
    return exit;
}

} // namespace plugbay::core
