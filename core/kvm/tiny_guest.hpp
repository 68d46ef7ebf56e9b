// A VM of a few MiB for a program of some dozen bytes, and a guarded way to run it. Used by the probe and by
// tests; machines for users are not built from this.
#pragma once

#include "core/base/result.hpp"
#include "core/boot/cpu_entry.hpp"
#include "core/kvm/guest_program.hpp"
#include "core/kvm/kvm_system.hpp"
#include "core/kvm/kvm_vcpu.hpp"
#include "core/kvm/kvm_vm.hpp"
#include "core/memory/guest_memory.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace plugbay::core {

class TinyGuest {
  public:
    // Guest-physical, and linear: page tables map 0..1 GiB and 3..5 GiB one to one, for ring 0 and ring 3.
    static constexpr std::uint64_t gdt_address = 0x800;
    static constexpr std::uint64_t idt_address = 0x1000;
    static constexpr std::uint64_t page_table_address = 0x2000;
    static constexpr std::uint64_t stack_top = 0xF000;
    static constexpr std::uint64_t program_address = 0x10000;
    static constexpr std::uint64_t handler_address = 0x11000;    // for set_handler()
    static constexpr std::uint64_t data_address = 0x20000;       // free for programs
    static constexpr std::uint64_t device_address = 0xD000'0000; // no RAM: every access is an MMIO exit
    // Selectors for ring 3.
    static constexpr std::uint16_t user_data_selector = 0x20 | 3;
    static constexpr std::uint16_t user_code_selector = 0x28 | 3;

    struct Options {
        CpuEntry::Mode mode = CpuEntry::Mode::long_64; // real_16: the program is at 0x1000 instead
        std::uint64_t memory_size = 2 << 20;           // bytes
        std::uint32_t vcpus = 1;
        bool irqchip = false;
        bool log_dirty = false;
    };
    static constexpr std::uint64_t real_mode_program_address = 0x1000;

    // vCPU 0 stands before the program's first instruction; others wait for INIT and SIPI.
    [[nodiscard]] static Result<std::shared_ptr<TinyGuest>> create(const KvmSystem& system,
                                                                   GuestProgram program, Options options);

    TinyGuest(const TinyGuest&) = delete;
    TinyGuest& operator=(const TinyGuest&) = delete;

    [[nodiscard]] KvmVm& vm() { return *vm_; }
    [[nodiscard]] KvmVcpu& vcpu(std::uint32_t index = 0) { return *vcpus_[index]; }
    [[nodiscard]] GuestMemory& memory() { return *memory_; }
    [[nodiscard]] const std::vector<MemorySlotId>& slots() const { return slots_; }

    // Puts `program` at handler_address and a 64-bit interrupt gate for `vector` to it into the IDT.
    [[nodiscard]] Result<void> set_handler(std::uint8_t vector, GuestProgram program);

  private:
    TinyGuest() = default;
    [[nodiscard]] Result<void> build(const KvmSystem& system, GuestProgram program, const Options& options);
    [[nodiscard]] Result<void> write_tables();

    // Destroyed from the last to the first: vCPUs, VM, memory.
    std::unique_ptr<GuestMemory> memory_;
    std::unique_ptr<KvmVm> vm_;
    std::vector<std::unique_ptr<KvmVcpu>> vcpus_;
    std::vector<MemorySlotId> slots_;
};

enum class GuardedEnd {
    finished,    // the step function said so
    timed_out,   // the guest was still running at the limit and was forced out
    given_up,    // not even request_exit() brought it back; its thread and VM are left behind
    not_started, // the system has no thread for it
};

// Called on the vCPU's thread for every exit but `interrupted`; false ends the run.
using ExitStep = std::function<bool(VcpuExit& exit)>;

// Runs a vCPU on a thread of its own until `step` ends it or `limit` has passed. `step` is never called after
// this returns, so it may refer to the caller's variables. Thread: any; one run a vCPU at a time.
[[nodiscard]] GuardedEnd run_guarded(const std::shared_ptr<TinyGuest>& guest, std::uint32_t vcpu,
                                     ExitStep step, std::chrono::milliseconds limit);

} // namespace plugbay::core
