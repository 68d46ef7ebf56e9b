// The whole architectural state of a vCPU, and of the in-kernel interrupt controllers and timer, taken and
// put back. A machine takes both at power-on and puts them back on reset; and what tells the guest time, around a pause.
// Each has an image, in the encoding of devices' states, for checkpoints.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/state_image.hpp>

#include <memory>

namespace plugbay::core {

class KvmVcpu;
class KvmVm;

// Registers, FPU, extended state, MSRs (but not the time stamp counter), local APIC, pending events, debug
// registers, run state, and whether the guest can run guests of its own; not such a guest, which apply() ends. Thread: that of the vCPU, or while it does not run.
class VcpuSnapshot {
  public:
    [[nodiscard]] static Result<VcpuSnapshot> take(const KvmVcpu& vcpu);
    [[nodiscard]] Result<void> apply(const KvmVcpu& vcpu) const;
    // The time stamp counter as it was when the snapshot was taken, for a guest that goes on in another VM. Of several vCPUs
    // it is set right after each other, before any of them is applied: KVM takes counters that are set to about the same
    // within a second for synchronised, and makes them exactly so.
    [[nodiscard]] Result<void> apply_time_stamp(const KvmVcpu& vcpu) const;

    [[nodiscard]] Result<StateImage> save() const;
    [[nodiscard]] static Result<VcpuSnapshot> load(const StateImage& image);

    VcpuSnapshot(VcpuSnapshot&&) noexcept;
    VcpuSnapshot& operator=(VcpuSnapshot&&) noexcept;
    ~VcpuSnapshot();

  private:
    struct State;
    explicit VcpuSnapshot(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// Both PICs, the I/O APIC and the PIT. No vCPU runs meanwhile.
class ChipSnapshot {
  public:
    [[nodiscard]] static Result<ChipSnapshot> take(const KvmVm& vm);
    [[nodiscard]] Result<void> apply(const KvmVm& vm) const;

    [[nodiscard]] Result<StateImage> save() const;
    [[nodiscard]] static Result<ChipSnapshot> load(const StateImage& image);

    ChipSnapshot(ChipSnapshot&&) noexcept;
    ChipSnapshot& operator=(ChipSnapshot&&) noexcept;
    ~ChipSnapshot();

  private:
    struct State;
    explicit ChipSnapshot(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// The clocks that KVM keeps for the guest and that go on while no vCPU runs: kvmclock and the PIT. Taken when a machine
// pauses and put back before it goes on, so that the guest misses no time and gets no burst of ticks. The time stamp
// counter goes on: a guest that tells time by it alone sees the pause.
class ClockSnapshot {
  public:
    [[nodiscard]] static Result<ClockSnapshot> take(const KvmVm& vm);
    [[nodiscard]] Result<void> apply(const KvmVm& vm) const;

    [[nodiscard]] Result<StateImage> save() const;
    [[nodiscard]] static Result<ClockSnapshot> load(const StateImage& image);
    // Tells the guest of a vCPU that it stood still, so that its watchdogs stay calm. Nothing to a guest that does not
    // use kvmclock.
    static void tell_paused(const KvmVcpu& vcpu);

    ClockSnapshot(ClockSnapshot&&) noexcept;
    ClockSnapshot& operator=(ClockSnapshot&&) noexcept;
    ~ClockSnapshot();

  private:
    struct State;
    explicit ClockSnapshot(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace plugbay::core
