#include "core/machine/vcpu_thread.hpp"

#include "core/kvm/kick_signal.hpp"
#include "core/kvm/vcpu_dump.hpp"

#include <bit>
#include <csignal>
#include <cstring>
#include <pthread.h>
#include <utility>

namespace plugbay::core {

VcpuThread::VcpuThread(std::unique_ptr<KvmVcpu> vcpu, AccessBus& bus, const GuestMemory& memory,
                       std::function<void(GuestFailure)> on_failure)
    : vcpu_(std::move(vcpu)), bus_(bus), memory_(memory), on_failure_(std::move(on_failure)) {
    thread_ = std::thread([this] { thread_main(); });
    wait_parked();
}

VcpuThread::~VcpuThread() {
    {
        const std::lock_guard guard(mutex_);
        command_.store(Command::end);
        changed_.notify_all();
    }
    vcpu_->request_exit();
    thread_.join();
}

void VcpuThread::run() {
    const std::lock_guard guard(mutex_);
    command_.store(Command::run);
    parked_ = false;
    changed_.notify_all();
}

void VcpuThread::park() {
    Command expected = Command::run;
    if (command_.compare_exchange_strong(expected, Command::park)) vcpu_->request_exit();
}

void VcpuThread::wait_parked() {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [&] { return parked_; });
}

void VcpuThread::thread_main() {
    const std::string name = "vcpu" + std::to_string(vcpu_->index());
    ::pthread_setname_np(::pthread_self(), name.c_str());
    // Signals that end the machine are the control thread's.
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    unblock_kick_signal();

    bus_.presences().add(presence_);
    for (;;) {
        {
            std::unique_lock guard(mutex_);
            parked_ = command_.load() != Command::run;
            changed_.notify_all();
            changed_.wait(guard, [&] { return command_.load() != Command::park; });
            if (command_.load() == Command::end) break;
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
    switch (exit.kind) {
    case VcpuExit::Kind::port_in:
        handle_port(exit.port, true);
        return true;
    case VcpuExit::Kind::port_out:
        handle_port(exit.port, false);
        return true;
    case VcpuExit::Kind::mmio_read:
        handle_mmio(exit.mmio, false);
        return true;
    case VcpuExit::Kind::mmio_write:
        handle_mmio(exit.mmio, true);
        return true;
    case VcpuExit::Kind::interrupted:
        return true;
    case VcpuExit::Kind::read_msr:
    case VcpuExit::Kind::write_msr:
        *exit.msr.error = 1;
        return true;
    case VcpuExit::Kind::shutdown:
        fail("triple fault");
        return false;
    default:
        fail(describe_exit(exit));
        return false;
    }
}

void VcpuThread::handle_port(const VcpuExit::Port& port, bool input) {
    static_assert(std::endian::native == std::endian::little);
    for (std::uint32_t i = 0; i < port.count; ++i) {
        std::byte* const data = port.data + std::size_t{i} * port.size;
        std::uint64_t value = 0;
        if (input) {
            value = bus_.read_port(presence_, port.port, port.size);
            std::memcpy(data, &value, port.size);
        } else {
            std::memcpy(&value, data, port.size);
            bus_.write_port(presence_, port.port, port.size, value);
        }
    }
}

void VcpuThread::handle_mmio(const VcpuExit::Mmio& mmio, bool write) {
    // Instructions that cross a page arrive in odd sizes: they are split into powers of two, as a bus would.
    for (std::uint32_t done = 0; done < mmio.size;) {
        const std::uint32_t width = std::bit_floor(std::uint32_t{mmio.size} - done);
        std::uint64_t value = 0;
        if (write) {
            std::memcpy(&value, mmio.data + done, width);
            bus_.write_memory(presence_, mmio.address + done, width, value);
        } else {
            value = bus_.read_memory(presence_, mmio.address + done, width);
            std::memcpy(mmio.data + done, &value, width);
        }
        done += width;
    }
}

void VcpuThread::fail(std::string summary) {
    GuestFailure failure{.summary = "vCPU " + std::to_string(vcpu_->index()) + ": " + std::move(summary),
                         .details = dump_vcpu(*vcpu_, memory_)};
    Command expected = Command::run;
    command_.compare_exchange_strong(expected, Command::park);
    on_failure_(std::move(failure));
}

} // namespace plugbay::core
