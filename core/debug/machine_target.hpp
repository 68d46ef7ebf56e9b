// A machine as a debugger's target. Thread: [control].
#pragma once

#include "core/debug/debug_target.hpp"
#include "core/debug/hardware_slots.hpp"
#include "core/debug/software_breakpoints.hpp"
#include "core/machine/machine.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace plugbay::core {

class MachineTarget final : public DebugTarget, private MachineDebugger {
  public:
    // `on_stop` is called for each event that stops the machine. `machine` outlives the object and has no other
    // debugger. detach() before the object goes, unless the machine has ended.
    MachineTarget(Machine& machine, std::function<void(const DebugStop&)> on_stop);
    MachineTarget(const MachineTarget&) = delete;
    MachineTarget& operator=(const MachineTarget&) = delete;
    ~MachineTarget() override;

    [[nodiscard]] std::uint32_t vcpu_count() const override;
    [[nodiscard]] bool stopped() const override;
    [[nodiscard]] Result<void> stop() override;
    [[nodiscard]] Result<void> resume(const std::vector<ResumeAction>& actions) override;
    [[nodiscard]] Result<DebugRegisters> registers(std::uint32_t vcpu) override;
    [[nodiscard]] Result<void> set_registers(std::uint32_t vcpu, const DebugRegisters& registers) override;
    [[nodiscard]] std::size_t read_memory(std::uint32_t vcpu, std::uint64_t address,
                                          std::span<std::byte> bytes) override;
    [[nodiscard]] bool write_memory(std::uint32_t vcpu, std::uint64_t address,
                                    std::span<const std::byte> bytes) override;
    [[nodiscard]] Result<void> insert(std::uint32_t vcpu, const DebugBreakpoint& breakpoint) override;
    void remove(const DebugBreakpoint& breakpoint) override;
    void detach() override;
    void end_machine() override;

  private:
    // What stops a vCPU at an instruction in memory.
    enum class Trap { int3, port };
    struct Step {
        std::uint32_t vcpu;
        std::vector<ResumeAction> then;           // empty: the step is what was asked for
        std::optional<std::uint64_t> instruction; // its physical address: a breakpoint there rests
    };
    // Where a vCPU stood when its stop was reported.
    struct Told {
        std::uint32_t vcpu;
        std::uint64_t rip;
    };

    void vcpu_stopped(std::uint32_t index) override;
    void machine_reset() override;
    [[nodiscard]] Result<void> step_aside() override;
    void step_back() override;
    [[nodiscard]] Result<void> machine_resumes() override;
    void hide_breakpoints(std::uint64_t physical, std::span<std::byte> bytes) const override;

    [[nodiscard]] KvmVcpu& vcpu(std::uint32_t index) { return machine_.vcpus()[index]->vcpu(); }
    [[nodiscard]] std::optional<std::uint64_t> translate(std::uint32_t index, std::uint64_t linear);
    [[nodiscard]] Result<void> make_software();
    [[nodiscard]] Result<void> require_slots();
    [[nodiscard]] Result<void> arm(std::uint32_t index, const VcpuDebug& debug);
    [[nodiscard]] VcpuDebug debug_for(std::uint32_t index) const;
    [[nodiscard]] Result<void> step(std::uint32_t index, std::vector<ResumeAction> then);
    [[nodiscard]] Result<void> run(const std::vector<ResumeAction>& actions);
    void step_ended(const DebugStop& stop);
    [[nodiscard]] Result<void> hold_step();
    void end_step();
    [[nodiscard]] std::optional<DebugStop> reason(std::uint32_t index, const VcpuExit::Debug& exit);
    void give_back(std::uint32_t index, const VcpuExit::Debug& exit);
    void collect();
    void report(const DebugStop& stop);

    Machine& machine_;
    const std::function<void(const DebugStop&)> on_stop_;
    std::optional<Trap> trap_; // nothing: not tried yet
    std::optional<SoftwareBreakpoints> software_;
    HardwareSlots hardware_;
    std::optional<bool> slots_work_;                // nothing: not tried yet
    std::vector<bool> armed_;                       // vCPUs that KVM debugs
    std::vector<std::optional<DebugStop>> pending_; // watchpoints hit, but others were reported first
    std::optional<Step> stepping_;
    bool aside_ = false; // between step_aside() and step_back()
    std::optional<Told> told_;
};

} // namespace plugbay::core
