#include "core/machine/vcpu_thread.hpp"

#include "core/base/thread_setup.hpp"
#include "core/device/slot.hpp"
#include "core/kvm/kick_signal.hpp"
#include "core/kvm/vcpu_dump.hpp"
#include "core/machine/guest_access.hpp"
#include "core/machine/guest_hypercall.hpp"

#include <fmt/format.h>
#include <utility>

namespace plugbay::core {

VcpuThread::VcpuThread(std::unique_ptr<KvmVcpu> vcpu, AccessBus& bus, const GuestMemory& memory,
                       std::function<void(GuestFailure)> on_failure, std::function<void()> on_debug)
    : vcpu_(std::move(vcpu)), bus_(bus), memory_(memory), on_failure_(std::move(on_failure)),
      on_debug_(std::move(on_debug)) {
    thread_ = std::thread([this] { thread_main(); });
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [&] { return parked_; });
}

VcpuThread::~VcpuThread() {
    {
        const std::lock_guard guard(mutex_);
        command_.store(Command::end);
        presence_.hurry(true);
        changed_.notify_all();
    }
    vcpu_->request_exit();
    thread_.join();
}

void VcpuThread::run() {
    const std::lock_guard guard(mutex_);
    presence_.hurry(false);
    command_.store(Command::run);
    changed_.notify_all();
}

void VcpuThread::park() {
    Command expected = Command::run;
    presence_.hurry(true);
    if (command_.compare_exchange_strong(expected, Command::park)) vcpu_->request_exit();
}

Result<void> VcpuThread::wait_parked(std::chrono::milliseconds limit) {
    {
        std::unique_lock guard(mutex_);
        if (changed_.wait_for(guard, limit, [&] { return parked_; })) return {};
    }
    const Slot* const slot = presence_.inside();
    if (slot == nullptr)
        return Error{fmt::format("vcpu{} does not stop: it is still in KVM", vcpu_->index())};
    return Error{
        fmt::format("vcpu{} does not stop: it is still inside device \"{}\"", vcpu_->index(), slot->id),
        "the device's code hangs: look at it with a debugger"};
}

std::optional<VcpuExit::Debug> VcpuThread::take_debug_exit() {
    const std::lock_guard guard(mutex_);
    return parked_ ? std::exchange(debug_exit_, std::nullopt) : std::nullopt;
}

bool VcpuThread::has_debug_exit() {
    const std::lock_guard guard(mutex_);
    return parked_ && debug_exit_;
}

void VcpuThread::thread_main() {
    set_up_thread("vcpu" + std::to_string(vcpu_->index()));
    unblock_kick_signal();

    bus_.presences().add(presence_);
    presence_.belongs_to_this_thread();
    for (;;) {
        bool debug_stop = false;
        {
            const std::lock_guard guard(mutex_);
            parked_ = command_.load() != Command::run;
            debug_stop = parked_ && debug_exit_;
            changed_.notify_all();
        }
        if (debug_stop) on_debug_();
        {
            std::unique_lock guard(mutex_);
            changed_.wait(guard, [&] { return command_.load() != Command::park; });
            if (command_.load() == Command::end) break;
            debug_exit_.reset(); // nobody took it
            parked_ = false;     // not in run(): the thread may find a park() there before it woke up
        }
        run_guest();
    }
    bus_.presences().remove(presence_);
}

void VcpuThread::run_guest() {
    while (command_.load(std::memory_order_relaxed) == Command::run) {
        if (!handle(vcpu_->run())) return;
    }
    // The last access's answer reaches the guest's registers, so that they can be looked at and saved. A
    // string instruction takes one round an element; the bound is against a KVM that never ends.
    constexpr int most_rounds = 4096;
    for (int i = 0; i < most_rounds; ++i) {
        const VcpuExit exit = vcpu_->complete_pending_io();
        if (exit.kind == VcpuExit::Kind::interrupted || !handle(exit)) return;
    }
}

// False: the guest cannot go on.
bool VcpuThread::handle(const VcpuExit& exit) {
    const Stopwatch watch(presence_.tick_scale(), counts_.handling);
    if (is_trap(exit)) {
        stop_at_trap();
        return false;
    }
    if (answer_hypercall(bus_, presence_, *vcpu_, exit)) {
        counts_.count(ExitKind::hypercall);
        return true;
    }
    counts_.count(exit_kind_of(exit.kind));
    return answer_access(bus_, presence_, exit) || answer(exit);
}

// What is no access and no call.
bool VcpuThread::answer(const VcpuExit& exit) {
    switch (exit.kind) {
    case VcpuExit::Kind::interrupted:
        return true;
    case VcpuExit::Kind::read_msr:
        *exit.msr.error = bus_.msrs().read(presence_, exit.msr.index, *exit.msr.value) ? 0 : 1;
        return true;
    case VcpuExit::Kind::write_msr:
        *exit.msr.error = bus_.msrs().write(presence_, exit.msr.index, *exit.msr.value) ? 0 : 1;
        return true;
    case VcpuExit::Kind::debug:
        stop_for_debugger(exit.debug);
        return false;
    case VcpuExit::Kind::shutdown:
        // AMD's processors leave no state behind, so KVM resets the vCPU before it says so.
        fail("triple fault (on AMD processors the registers are those after a reset)");
        return false;
    default:
        fail(describe_exit(exit));
        return false;
    }
}

bool VcpuThread::is_trap(const VcpuExit& exit) const {
    return port_trap_ && exit.kind == VcpuExit::Kind::port_out && exit.port.port == trap_port &&
           exit.port.size == 1 && exit.port.count == 1;
}

// KVM ends the instruction; the debugger sees the vCPU before it.
void VcpuThread::stop_at_trap() {
    constexpr std::uint32_t breakpoint_exception = 3;
    static_cast<void>(vcpu_->complete_pending_io());
    auto general = vcpu_->general_registers();
    const auto special = vcpu_->special_registers();
    if (!general || !special) return fail("registers cannot be read at a breakpoint");
    general->rip -= port_trap_length;
    if (auto done = vcpu_->set_general_registers(*general); !done) return fail(done.error().text());
    const std::uint64_t base = special->cs.long_mode ? 0 : special->cs.base;
    stop_for_debugger({.address = base + general->rip, .status = 0, .exception = breakpoint_exception});
}

void VcpuThread::stop_for_debugger(const VcpuExit::Debug& debug) {
    const std::lock_guard guard(mutex_);
    debug_exit_ = debug;
    Command expected = Command::run;
    command_.compare_exchange_strong(expected, Command::park);
}

void VcpuThread::fail(std::string summary) {
    GuestFailure failure{.summary = "vCPU " + std::to_string(vcpu_->index()) + ": " + std::move(summary),
                         .details = dump_vcpu(*vcpu_, memory_)};
    Command expected = Command::run;
    command_.compare_exchange_strong(expected, Command::park);
    on_failure_(std::move(failure));
}

} // namespace plugbay::core
