#include "core/debug/machine_target.hpp"

#include "core/base/log.hpp"
#include "core/debug/page_walk.hpp"
#include "core/kvm/debug_probe.hpp"
#include "core/kvm/kvm_system.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace plugbay::core {

namespace {

constexpr std::uint64_t page_size = 4096;
constexpr std::uint32_t breakpoint_exception = 3;
constexpr std::uint32_t msr_kernel_gs_base = 0xC000'0102;

constexpr std::array int3_instruction{std::byte{0xCC}};
// out %al, $trap_port
constexpr std::array port_instruction{std::byte{0xE6}, std::byte{VcpuThread::trap_port}};
static_assert(port_instruction.size() == VcpuThread::port_trap_length);

} // namespace

MachineTarget::MachineTarget(Machine& machine, std::function<void(const DebugStop&)> on_stop)
    : machine_(machine), on_stop_(std::move(on_stop)), armed_(machine.vcpus().size()),
      pending_(machine.vcpus().size()) {
    machine_.set_debugger(this);
}

MachineTarget::~MachineTarget() {
    machine_.set_debugger(nullptr);
}

std::uint32_t MachineTarget::vcpu_count() const {
    return static_cast<std::uint32_t>(armed_.size());
}

bool MachineTarget::stopped() const {
    return machine_.paused() && !stepping_;
}

Result<void> MachineTarget::stop() {
    if (auto held = hold_step(); !held) return held;
    if (auto done = machine_.pause(); !done) return done;
    end_step();
    told_.reset();
    return {};
}

// It may be at an instruction that does not end, such as a halt without interrupts.
Result<void> MachineTarget::hold_step() {
    if (!stepping_) return {};
    VcpuThread& thread = *machine_.vcpus()[stepping_->vcpu];
    thread.park();
    return thread.wait_parked();
}

// All vCPUs are parked.
void MachineTarget::end_step() {
    collect();
    stepping_.reset();
    if (software_) software_->put_back();
}

Result<void> MachineTarget::step_aside() {
    if (auto held = hold_step(); !held) return held;
    if (software_) software_->lift_all();
    aside_ = true;
    return {};
}

void MachineTarget::step_back() {
    if (!std::exchange(aside_, false)) return;
    if (software_) software_->put_back();
    if (!stepping_) return;
    if (software_ && stepping_->instruction) software_->lift(*stepping_->instruction);
    VcpuThread& thread = *machine_.vcpus()[stepping_->vcpu];
    if (!thread.has_debug_exit()) thread.run(); // else it has done its step, and the news is on its way
}

Result<void> MachineTarget::machine_resumes() {
    if (stepping_) {
        if (auto held = hold_step(); !held) return held;
        end_step();
    }
    for (std::uint32_t index = 0; index < vcpu_count(); ++index) {
        if (auto done = arm(index, debug_for(index)); !done) return done;
    }
    return {};
}

void MachineTarget::hide_breakpoints(std::uint64_t physical, std::span<std::byte> bytes) const {
    if (software_) software_->hide(physical, bytes);
}

// What else happened until all stood still. A vCPU at a breakpoint comes upon it again; the rest would be lost.
void MachineTarget::collect() {
    for (std::uint32_t index = 0; index < vcpu_count(); ++index) {
        const auto exit = machine_.vcpus()[index]->take_debug_exit();
        if (!exit) continue;
        const auto stop = reason(index, *exit);
        if (!stop) {
            give_back(index, *exit);
        } else if (stop->reason == DebugStop::Reason::breakpoint &&
                   (stop->breakpoint.kind == DebugBreakpoint::Kind::write_watch ||
                    stop->breakpoint.kind == DebugBreakpoint::Kind::access_watch)) {
            pending_[index] = stop;
        }
    }
}

// Nothing: the guest's own doing.
std::optional<DebugStop> MachineTarget::reason(std::uint32_t index, const VcpuExit::Debug& exit) {
    DebugStop stop{.reason = DebugStop::Reason::breakpoint, .vcpu = index};
    if (exit.exception == breakpoint_exception) {
        const auto physical = translate(index, exit.address);
        const auto linear = physical && software_ ? software_->at(*physical) : std::nullopt;
        if (!linear) return std::nullopt;
        stop.breakpoint = {.kind = DebugBreakpoint::Kind::software, .address = *linear};
        return stop;
    }
    if (const auto hit = hardware_.hit(exit.status, exit.address)) {
        stop.breakpoint = *hit;
        return stop;
    }
    if (!stepping_ || stepping_->vcpu != index) return std::nullopt;
    stop.reason = DebugStop::Reason::step;
    return stop;
}

// As if nobody were debugging. The vCPU is parked.
void MachineTarget::give_back(std::uint32_t index, const VcpuExit::Debug& exit) {
    KvmVcpu& guest = vcpu(index);
    Result<void> done;
    if (exit.exception != breakpoint_exception) {
        done = guest.reflect_debug(exit, debug_for(index));
    } else {
        // A breakpoint of ours that was removed meanwhile left the guest's own instruction there.
        std::array<std::byte, port_instruction.size()> code{};
        const std::size_t read = read_memory(index, exit.address, code);
        if (trap_ == Trap::int3 && read > 0 && code[0] == int3_instruction[0]) {
            done = guest.reflect_debug(exit, debug_for(index));
        } else if (trap_ == Trap::port && code == port_instruction) {
            auto general = guest.general_registers(); // a write that nobody hears
            if (general) general->rip += port_instruction.size();
            done = general ? guest.set_general_registers(*general) : Result<void>(general.error());
        }
    }
    if (!done)
        log_for(Subsystem::machine)
            .warn("gdb: an exception of the guest's own is lost: {}", done.error().text());
}

void MachineTarget::vcpu_stopped(std::uint32_t index) {
    VcpuThread& thread = *machine_.vcpus()[index];
    const auto exit = thread.take_debug_exit();
    if (!exit) return; // it was stopped, and collected, before this came
    const auto stop = reason(index, *exit);
    const bool of_step = stepping_ && stepping_->vcpu == index;
    if (!stop) {
        give_back(index, *exit);
        if (of_step || !machine_.paused()) thread.run();
    } else if (of_step) {
        step_ended(*stop);
    } else if (!machine_.paused()) {
        report(*stop);
    }
}

void MachineTarget::step_ended(const DebugStop& stop) {
    const Step step = *std::exchange(stepping_, std::nullopt);
    if (software_) software_->put_back();
    if (stop.reason != DebugStop::Reason::step || step.then.empty()) return report(stop);
    if (auto done = run(step.then); !done) {
        log_for(Subsystem::machine).error("gdb: {}", done.error().text());
        report({.reason = DebugStop::Reason::interrupted, .vcpu = step.vcpu});
    }
}

void MachineTarget::report(const DebugStop& stop) {
    if (auto done = machine_.pause(); !done)
        log_for(Subsystem::machine).error("gdb: {}", done.error().text());
    collect();
    told_.reset();
    if (stop.reason == DebugStop::Reason::breakpoint) {
        if (const auto general = vcpu(stop.vcpu).general_registers())
            told_ = Told{.vcpu = stop.vcpu, .rip = general->rip};
    }
    on_stop_(stop);
}

void MachineTarget::machine_reset() {
    if (software_) software_->forget_all();
    for (const auto& thread : machine_.vcpus())
        static_cast<void>(thread->take_debug_exit());
    std::fill(pending_.begin(), pending_.end(), std::nullopt);
    stepping_.reset();
    aside_ = false;
    report({.reason = DebugStop::Reason::reset});
}

Result<void> MachineTarget::resume(const std::vector<ResumeAction>& actions) {
    for (std::uint32_t index = 0; index < vcpu_count(); ++index) {
        if (pending_[index] && actions[index] != ResumeAction::hold) {
            report(*std::exchange(pending_[index], std::nullopt));
            return {};
        }
    }
    const auto told = std::exchange(told_, std::nullopt);
    const auto stepped = std::find(actions.begin(), actions.end(), ResumeAction::step);
    if (stepped != actions.end()) return step(static_cast<std::uint32_t>(stepped - actions.begin()), {});
    if (told && actions[told->vcpu] == ResumeAction::run) {
        const auto general = vcpu(told->vcpu).general_registers();
        if (!general) return general.error();
        if (general->rip == told->rip) return step(told->vcpu, actions);
    }
    return run(actions);
}

// One instruction of one vCPU, with the others and the guest's clocks standing still, and without the breakpoints on it.
Result<void> MachineTarget::step(std::uint32_t index, std::vector<ResumeAction> then) {
    const auto registers = this->registers(index);
    if (!registers) return registers.error();
    const std::uint64_t base = registers->special.cs.long_mode ? 0 : registers->special.cs.base;
    const std::uint64_t instruction = base + registers->general.rip;
    VcpuDebug debug = debug_for(index);
    debug.single_step = true;
    debug.slots = hardware_.slots_without(instruction);
    if (auto done = arm(index, debug); !done) return done;
    const auto physical = translate(index, instruction);
    if (physical && software_) software_->lift(*physical);
    stepping_ = Step{.vcpu = index, .then = std::move(then), .instruction = physical};
    machine_.vcpus()[index]->run();
    return {};
}

Result<void> MachineTarget::run(const std::vector<ResumeAction>& actions) {
    std::vector<std::uint32_t> chosen;
    for (std::uint32_t index = 0; index < vcpu_count(); ++index) {
        if (actions[index] == ResumeAction::run) chosen.push_back(index);
    }
    return machine_.resume(chosen);
}

VcpuDebug MachineTarget::debug_for(std::uint32_t index) const {
    return {.single_step = stepping_ && stepping_->vcpu == index,
            .software_breakpoints = trap_ == Trap::int3 && software_ && !software_->empty(),
            .slots = hardware_.slots()};
}

Result<void> MachineTarget::arm(std::uint32_t index, const VcpuDebug& debug) {
    machine_.vcpus()[index]->set_port_trap(trap_ == Trap::port && software_ && !software_->empty());
    const bool wanted = debug.single_step || debug.software_breakpoints || !hardware_.empty();
    // A KVM without guest debugging lets the guest run all the same.
    if (!wanted && !armed_[index]) return {};
    if (auto done = vcpu(index).set_debug(debug); !done) return done;
    armed_[index] = wanted;
    return {};
}

Result<DebugRegisters> MachineTarget::registers(std::uint32_t index) {
    const auto general = vcpu(index).general_registers();
    if (!general) return general.error();
    const auto special = vcpu(index).special_registers();
    if (!special) return special.error();
    const auto floating = vcpu(index).floating_registers();
    if (!floating) return floating.error();
    const auto kernel_gs_base = vcpu(index).msr(msr_kernel_gs_base);
    return DebugRegisters{.general = *general,
                          .special = *special,
                          .floating = *floating,
                          .kernel_gs_base = kernel_gs_base ? *kernel_gs_base : 0};
}

Result<void> MachineTarget::set_registers(std::uint32_t index, const DebugRegisters& registers) {
    const auto before = this->registers(index);
    if (!before) return before.error();
    // Special registers first: what they are decides about the rest.
    if (registers.special != before->special) {
        if (auto done = vcpu(index).set_special_registers(registers.special); !done) return done;
    }
    if (registers.general != before->general) {
        if (auto done = vcpu(index).set_general_registers(registers.general); !done) return done;
    }
    if (registers.floating != before->floating) {
        if (auto done = vcpu(index).set_floating_registers(registers.floating); !done) return done;
    }
    if (registers.kernel_gs_base != before->kernel_gs_base)
        return vcpu(index).set_msr(msr_kernel_gs_base, registers.kernel_gs_base);
    return {};
}

std::optional<std::uint64_t> MachineTarget::translate(std::uint32_t index, std::uint64_t linear) {
    const auto special = vcpu(index).special_registers();
    return special ? walk_page_tables(machine_.memory(), *special, linear) : std::nullopt;
}

std::size_t MachineTarget::read_memory(std::uint32_t index, std::uint64_t address,
                                       std::span<std::byte> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const std::uint64_t linear = address + done;
        const auto part = bytes.subspan(done, std::min(bytes.size() - done, page_size - linear % page_size));
        const auto physical = translate(index, linear);
        if (!physical || !machine_.memory().read(*physical, part)) break;
        if (software_) software_->hide(*physical, part);
        done += part.size();
    }
    return done;
}

bool MachineTarget::write_memory(std::uint32_t index, std::uint64_t address,
                                 std::span<const std::byte> bytes) {
    std::vector<std::byte> there(bytes.size());
    if (read_memory(index, address, there) != bytes.size()) return false;
    for (std::size_t done = 0; done < bytes.size();) {
        const std::uint64_t linear = address + done;
        const auto part = bytes.subspan(done, std::min(bytes.size() - done, page_size - linear % page_size));
        const auto physical = translate(index, linear);
        const bool written = physical && (software_ ? software_->write(*physical, part)
                                                    : machine_.memory().write(*physical, part));
        if (!written) return false;
        done += part.size();
    }
    return true;
}

Result<void> MachineTarget::insert(std::uint32_t index, const DebugBreakpoint& breakpoint) {
    if (breakpoint.kind != DebugBreakpoint::Kind::software) {
        if (auto done = require_slots(); !done) return done;
        return hardware_.insert(breakpoint);
    }
    if (auto done = make_software(); !done) return done;
    return software_->insert(breakpoint.address,
                             [&](std::uint64_t linear) { return translate(index, linear); });
}

// With an instruction of which this KVM tells.
Result<void> MachineTarget::make_software() {
    if (software_) return {};
    const auto system = KvmSystem::open();
    if (!system) return system.error();
    trap_ = int3_works(*system) ? Trap::int3 : Trap::port;
    if (trap_ == Trap::int3) {
        software_.emplace(machine_.memory(), int3_instruction);
    } else {
        log_for(Subsystem::machine)
            .info("gdb: this KVM tells nothing of int3: breakpoints are 2 bytes long, and for kernel code "
                  "only");
        software_.emplace(machine_.memory(), port_instruction);
    }
    return {};
}

Result<void> MachineTarget::require_slots() {
    if (!slots_work_) {
        const auto system = KvmSystem::open();
        if (!system) return system.error();
        slots_work_ = breakpoint_registers_work(*system);
    }
    if (*slots_work_) return {};
    return Error{"hardware breakpoints and watchpoints do not work with this KVM",
                 "use software breakpoints"};
}

void MachineTarget::remove(const DebugBreakpoint& breakpoint) {
    if (breakpoint.kind != DebugBreakpoint::Kind::software) return hardware_.remove(breakpoint);
    if (software_) software_->remove(breakpoint.address);
}

void MachineTarget::detach() {
    if (auto done = stop(); !done) log_for(Subsystem::machine).error("gdb: {}", done.error().text());
    if (software_) software_->remove_all();
    hardware_.clear();
    std::fill(pending_.begin(), pending_.end(), std::nullopt);
    if (auto done = run(std::vector<ResumeAction>(vcpu_count(), ResumeAction::run)); !done)
        log_for(Subsystem::machine).error("gdb: the guest cannot go on: {}", done.error().text());
}

void MachineTarget::end_machine() {
    machine_.quit();
}

} // namespace plugbay::core
