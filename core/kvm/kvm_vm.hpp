// One VM: memory slots, the in-kernel interrupt controllers and timer, interrupt routes, irqfds, ioeventfds.
// KVM API section 4, "VM ioctls".
#pragma once

#include "core/base/result.hpp"
#include "core/kvm/ioeventfd.hpp"
#include "core/kvm/irq_routes.hpp"
#include "core/kvm/kvm_system.hpp"
#include "core/kvm/memory_slot.hpp"
#include "core/kvm/msr_filter.hpp"

#include <plugbay/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace plugbay::core {

class GuestMemory;

using MemorySlotId = std::uint32_t;

// Thread: every member may be called from any thread at any time, also while vCPUs run. Outlives its KvmVcpus
// and Ioeventfds.
class KvmVm {
  public:
    struct Options {
        bool irqchip = true; // two PICs, IOAPIC, a local APIC in every vCPU
        bool pit = true;     // i8254 with port 0x61 (speaker) answered in the kernel; needs irqchip
    };

    // The KvmSystem may be destroyed afterwards.
    [[nodiscard]] static Result<std::unique_ptr<KvmVm>> create(const KvmSystem& system, Options options);
    [[nodiscard]] static Result<std::unique_ptr<KvmVm>> create(const KvmSystem& system) {
        return create(system, Options{});
    }

    KvmVm(const KvmVm&) = delete;
    KvmVm& operator=(const KvmVm&) = delete;
    ~KvmVm();

    [[nodiscard]] bool has(KvmCapability capability) const { return capabilities_.has(capability); }
    [[nodiscard]] const KvmCapabilitySet& capabilities() const { return capabilities_; }
    [[nodiscard]] const Options& options() const { return options_; }

    // --- memory (4.35 KVM_SET_USER_MEMORY_REGION, 4.8 KVM_GET_DIRTY_LOG) ---

    // Slot numbers are chosen here, lowest free first. Overlap with another slot is an error. Just after an
    // ioeventfd was assigned this may take 8 ms, so add memory first, ioeventfds later.
    [[nodiscard]] Result<MemorySlotId> add_memory(const MemorySlotRequest& request);
    // All ranges of the guest's RAM; on error none of them stays. The GuestMemory must outlive the VM.
    [[nodiscard]] Result<std::vector<MemorySlotId>> add_guest_memory(const GuestMemory& memory,
                                                                     bool log_dirty = false);
    // Whether the guest's writes to that RAM are logged. Costs each page a fault at its first write since.
    [[nodiscard]] Result<void> log_guest_memory(bool enabled);
    // The pages of that RAM that the guest wrote since the log was turned on or last taken: a bit a page, by its place in
    // GuestMemory's ranges, which follow each other.
    [[nodiscard]] Result<std::vector<std::uint64_t>> take_dirty_guest_memory();
    // From now on exactly these pages of that RAM are left out, or are read-only: needs readonly_memory. The
    // slots that change are removed and added anew, so no vCPU runs meanwhile.
    [[nodiscard]] Result<void> watch_guest_memory(std::span<const WatchedRam> watched);
    [[nodiscard]] Result<void> remove_memory(MemorySlotId slot);
    [[nodiscard]] Result<void> set_dirty_log(MemorySlotId slot, bool enabled);
    // One bit a 4 KiB page (bit 0 of word 0 is the slot's first page), set where the guest wrote since the
    // last call. Reading clears the log. Writes of the host are not in it.
    [[nodiscard]] Result<std::vector<std::uint64_t>> dirty_log(MemorySlotId slot);

    // --- interrupts (4.24..4.25, 4.52, 4.70, 4.75); all need irqchip ---

    // Level of a GSI below 24 (or a pulse, high then low, for an edge-triggered one).
    [[nodiscard]] Result<void> set_irq_line(std::uint32_t gsi, bool high);

    // Signalling `eventfd` raises `gsi`. With `resample_eventfd` (>= 0) the line is level-triggered: it stays
    // high until the guest's EOI, which lowers it and signals `resample_eventfd`. Both are borrowed; closing
    // the eventfd deassigns too.
    [[nodiscard]] Result<void> assign_irqfd(int eventfd, std::uint32_t gsi, int resample_eventfd = -1);
    [[nodiscard]] Result<void> deassign_irqfd(int eventfd, std::uint32_t gsi);

    // A GSI of 24 or more for one MSI vector, see IrqRoutes. Raising it does nothing until it has a message.
    [[nodiscard]] Result<std::uint32_t> allocate_msi_gsi();
    void release_msi_gsi(std::uint32_t gsi);
    // Each call replaces KVM's table atomically (KVM_SET_GSI_ROUTING) when anything changed, else costs
    // nothing. No irqfd needs to be assigned again. A failed call leaves the old table. The span form changes
    // many vectors at the price of one; an empty message (nullopt) masks.
    [[nodiscard]] Result<void> set_msi_route(std::uint32_t gsi, const std::optional<MsiMessage>& message);
    using MsiRouteChange = std::pair<std::uint32_t, std::optional<MsiMessage>>;
    [[nodiscard]] Result<void> set_msi_routes(std::span<const MsiRouteChange> changes);

    // Delivers one MSI at once, without a route. False when the guest blocked it (no such destination).
    [[nodiscard]] Result<bool> signal_msi(const MsiMessage& message);

    // --- ioeventfds (4.59) ---

    [[nodiscard]] Result<Ioeventfd> add_ioeventfd(const IoeventfdRequest& request);

    // --- exits to user space ---

    // From now on accesses to MSRs that KVM does not know, or whose value it refuses, or that are intercepted
    // are read_msr and write_msr exits instead of #GP. Needs user_space_msr.
    [[nodiscard]] Result<void> enable_msr_exits();
    // From now on exactly these accesses are exits too, although KVM could serve them, on every vCPU; with
    // enable_msr_exits() implied. Needs msr_filter. On error it stays as it was. (4.97
    // KVM_X86_SET_MSR_FILTER)
    [[nodiscard]] Result<void> intercept_msrs(std::span<const MsrInterception> interceptions);

    // For KvmVcpu.
    [[nodiscard]] int file() const { return file_.get(); }
    [[nodiscard]] std::size_t vcpu_page_size() const { return vcpu_page_size_; }
    [[nodiscard]] const std::vector<std::uint32_t>& state_msrs() const { return state_msrs_; }

  private:
    KvmVm(UniqueFd file, Options options, const KvmSystem& system);
    [[nodiscard]] Result<void> create_interrupt_controllers();
    [[nodiscard]] Result<void> set_region(MemorySlotId slot, const MemorySlotRequest& request);
    [[nodiscard]] Result<void> commit(const IrqRoutes& routes);

    UniqueFd file_;
    Options options_;
    KvmCapabilitySet capabilities_;
    std::size_t vcpu_page_size_;
    std::uint32_t max_memory_slots_;
    std::vector<std::uint32_t> state_msrs_;

    [[nodiscard]] Result<void> arrange_guest_memory(std::span<const MemorySlotRequest> wanted);
    [[nodiscard]] Result<void> collect_dirty(MemorySlotId slot);

    const GuestMemory* guest_memory_ = nullptr;
    std::vector<MemorySlotId> guest_memory_slots_;
    bool guest_memory_logged_ = false;
    std::vector<std::uint64_t> collected_dirty_; // as of take_dirty_guest_memory(), while it is logged

    std::mutex memory_mutex_;
    std::map<MemorySlotId, MemorySlotRequest> slots_; // guarded by memory_mutex_

    std::mutex routes_mutex_;
    IrqRoutes routes_; // guarded by routes_mutex_; always what KVM has
};

} // namespace plugbay::core
