// One virtual processor. KVM API section 4, "vcpu ioctls".
#pragma once

#include "core/base/result.hpp"
#include "core/boot/cpu_entry.hpp"
#include "core/kvm/cpuid.hpp"
#include "core/kvm/kvm_capability.hpp"
#include "core/kvm/registers.hpp"
#include "core/kvm/vcpu_debug.hpp"
#include "core/kvm/vcpu_exit.hpp"

#include <plugbay/unique_fd.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace plugbay::core {

class KvmSystem;
class KvmVm;

// Thread: create and configure anywhere; run() and everything after it on one thread, the vCPU's own. Only
// request_exit() may be called from any thread or signal handler at any time of the object's life.
//
// Order for a machine:  create all; set_cpuid on each; set_boot_defaults on each; set_entry on vCPU 0 only;
// start one thread each, all of which call run() in a loop. With the in-kernel irqchip vCPUs 1.. wait inside
// run() for the guest's INIT and SIPI, and HLT waits in there too: leave only by an exit or request_exit().
class KvmVcpu {
  public:
    // `index` is the vCPU's number and APIC id, 0..15, each used once a VM.
    [[nodiscard]] static Result<std::unique_ptr<KvmVcpu>> create(const KvmVm& vm, std::uint32_t index);

    KvmVcpu(const KvmVcpu&) = delete;
    KvmVcpu& operator=(const KvmVcpu&) = delete;
    ~KvmVcpu();

    [[nodiscard]] std::uint32_t index() const { return index_; }

    // --- configuration, before the first run ---

    // `supported` as from KvmSystem::supported_cpuid(), fitted to this vCPU of `vcpu_count`, then `editors`
    // in order, then KVM_SET_CPUID2 once.
    [[nodiscard]] Result<void> set_cpuid(CpuidTable supported, std::uint32_t vcpu_count,
                                         std::span<const CpuidEditor> editors = {});

    // What firmware leaves behind: LINT0 ExtINT (vCPU 0) and LINT1 NMI in the local APIC, fast strings on,
    // memory type write-back by default. Each part is optional to a guest, so a KVM that refuses one is no
    // error: the flag says so.
    struct BootDefaults {
        bool local_interrupts = false;
        bool fast_strings = false;
        bool write_back_default = false;
    };
    [[nodiscard]] BootDefaults set_boot_defaults();

    // Registers and segments for the first instruction; see entry_registers(). Interrupts are off.
    [[nodiscard]] Result<void> set_entry(const CpuEntry& entry);

    // --- running ---

    // Enters the guest (KVM_RUN) until it needs user space. Never fails as such: a refused run is an exit of
    // kind run_failed. Answers to `port_in`, `mmio_read` and `read_msr` are written through the exit's
    // pointer; the guest sees them when the next run starts.
    [[nodiscard]] VcpuExit run();

    // Makes the current or the next run() return `interrupted` soon, exactly once a burst of requests. It
    // stays pending when run() comes back for another reason first. Async-signal-safe, wait-free.
    //
    // Protocol: store your own condition (stop, pause) first, then call this; the vCPU thread looks at its
    // conditions after every `interrupted`. It sets immediate_exit in the shared page, which KVM checks with
    // signals held off right before guest entry, and sends SIGRTMIN to the thread, which forces a running
    // guest out. So no request can fall between check and entry. The signal's handler is empty and restarts
    // system calls, but poll, epoll_wait and sleeps of the vCPU thread may return EINTR.
    void request_exit();

    // Finishes the I/O of the last exit (moves its data into registers, advances rip) without running the
    // guest. Call before reading registers to save them. `interrupted`: done. Any other kind: the same
    // instruction needs another access first (a string or page-crossing one): handle it and call again.
    [[nodiscard]] VcpuExit complete_pending_io();

    // The guest's registers after an exit, and what they become when it goes on. Registers of an instruction
    // that is not over yet (port_out) may be changed, but for rip, which KVM moves on itself. Quick from the
    // second use on.
    [[nodiscard]] Result<GeneralRegisters> exit_registers();
    [[nodiscard]] Result<void> set_exit_registers(const GeneralRegisters& registers);

    // --- state; not while run() is in progress ---

    [[nodiscard]] Result<GeneralRegisters> general_registers() const;
    [[nodiscard]] Result<void> set_general_registers(const GeneralRegisters& registers);
    [[nodiscard]] Result<SpecialRegisters> special_registers() const;
    [[nodiscard]] Result<void> set_special_registers(const SpecialRegisters& registers);
    [[nodiscard]] Result<FloatingRegisters> floating_registers() const;
    [[nodiscard]] Result<void> set_floating_registers(const FloatingRegisters& registers);
    [[nodiscard]] Result<std::uint64_t> msr(std::uint32_t index) const;
    [[nodiscard]] Result<void> set_msr(std::uint32_t index, std::uint64_t value);

    // Guest-physical address of a linear one under the present page tables; empty when not mapped or when
    // KVM cannot tell (KVM_TRANSLATE).
    [[nodiscard]] std::optional<std::uint64_t> translate(std::uint64_t linear_address) const;

    // --- debugging; while run() is not in progress. Needs KvmCapability::guest_debug ---

    // Takes effect with the next run(). The guest's own debug registers rest while a slot is in use. Set anew before
    // each single step, after the registers.
    [[nodiscard]] Result<void> set_debug(const VcpuDebug& debug);
    // Gives the guest the exception of a debug exit that is its own business; `debug` as set.
    [[nodiscard]] Result<void> reflect_debug(const VcpuExit::Debug& exit, const VcpuDebug& debug);

    // For VcpuSnapshot.
    [[nodiscard]] int file() const { return file_.get(); }
    [[nodiscard]] bool has(KvmCapability capability) const { return capabilities_.has(capability); }
    [[nodiscard]] const KvmVm& vm() const { return vm_; }

  private:
    KvmVcpu(UniqueFd file, std::byte* page, const KvmVm& vm, std::uint32_t index);
    void bind_to_this_thread();
    [[nodiscard]] VcpuExit enter();

    const KvmVm& vm_;
    UniqueFd file_;
    std::byte* page_;
    std::size_t page_size_;
    std::uint32_t index_;
    KvmCapabilitySet capabilities_;
    bool tsc_deadline_;          // the local APIC has this mode
    std::atomic<int> thread_{0}; // kernel thread id that runs this vCPU; 0 before its first run
    std::atomic<bool> exit_requested_{false};
};

// The registers of a CpuEntry on top of `reset`, the special registers of a fresh vCPU (APIC base and what
// the entry does not name stay). Pure. An entry that its mode cannot start (real_16 above 64 KiB, 32-bit
// above 4 GiB) is an error.
struct EntryRegisters {
    GeneralRegisters general;
    SpecialRegisters special;
};
[[nodiscard]] Result<EntryRegisters> entry_registers(const CpuEntry& entry, const SpecialRegisters& reset);

} // namespace plugbay::core
