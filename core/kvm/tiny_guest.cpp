#include "core/kvm/tiny_guest.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

namespace plugbay::core {

namespace {

constexpr std::uint64_t table_size = 4096;
constexpr std::uint64_t entry_present_writable_user = 7;
constexpr std::uint64_t entry_large = 1U << 7;
constexpr std::uint64_t large_page = 2 << 20;
constexpr std::uint64_t gibibyte = 1 << 30;
constexpr std::array<std::uint64_t, 3> mapped_gibibytes{0, 3, 4};

// Null, unused, kernel code 0x10, kernel data 0x18, user data 0x20, user code 0x28.
constexpr std::array<std::uint64_t, 6> gdt{
    0, 0, 0x00AF'9B00'0000'FFFF, 0x00CF'9300'0000'FFFF, 0x00CF'F300'0000'FFFF, 0x00AF'FB00'0000'FFFF};

constexpr std::chrono::milliseconds force_out_limit{1000};

template <typename Values>
bool write_values(GuestMemory& memory, std::uint64_t address, const Values& values) {
    return memory.write(address, std::as_bytes(std::span(values)));
}

// What the guarding thread and the vCPU's share; whoever is last frees it.
struct GuardedRun {
    std::shared_ptr<TinyGuest> guest;
    std::atomic<bool> stop{false};
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;      // guarded by mutex
    bool abandoned = false; // guarded by mutex; once set, `step` must not be called
    ExitStep step;
};

void run_until_told(GuardedRun& run, KvmVcpu& vcpu) {
    while (!run.stop.load()) {
        VcpuExit exit = vcpu.run();
        if (exit.kind == VcpuExit::Kind::interrupted) continue;
        const std::lock_guard lock(run.mutex);
        if (run.abandoned || !run.step(exit)) return;
    }
}

} // namespace

Result<std::shared_ptr<TinyGuest>> TinyGuest::create(const KvmSystem& system, GuestProgram program,
                                                     Options options) {
    std::shared_ptr<TinyGuest> guest(new TinyGuest);
    if (auto built = guest->build(system, program, options); !built) return std::move(built).error();
    return guest;
}

Result<void> TinyGuest::build(const KvmSystem& system, GuestProgram program, const Options& options) {
    auto memory = GuestMemory::create(options.memory_size);
    if (!memory) return std::move(memory).error();
    memory_ = *std::move(memory);

    auto vm = KvmVm::create(system, {options.irqchip, options.irqchip});
    if (!vm) return std::move(vm).error();
    vm_ = *std::move(vm);
    auto slots = vm_->add_guest_memory(*memory_, options.log_dirty);
    if (!slots) return std::move(slots).error();
    slots_ = *std::move(slots);

    const auto cpuid = system.supported_cpuid();
    if (!cpuid) return cpuid.error();
    for (std::uint32_t index = 0; index < options.vcpus; ++index) {
        auto vcpu = KvmVcpu::create(*vm_, index);
        if (!vcpu) return std::move(vcpu).error();
        if (auto set = (*vcpu)->set_cpuid(*cpuid, options.vcpus); !set) return set;
        vcpus_.push_back(*std::move(vcpu));
    }

    CpuEntry entry;
    entry.mode = options.mode;
    entry.rsp = stack_top;
    if (options.mode == CpuEntry::Mode::real_16) {
        entry.rip = real_mode_program_address;
    } else {
        entry.rip = program_address;
        entry.page_table = page_table_address;
        entry.gdt_address = gdt_address;
        entry.gdt_limit = sizeof gdt - 1;
        if (auto written = write_tables(); !written) return written;
    }
    if (!memory_->write(entry.rip, program)) return Error{"the guest program does not fit its memory", {}};
    if (auto set = vcpu().set_entry(entry); !set) return set;
    if (options.mode == CpuEntry::Mode::real_16) return {};

    auto special = vcpu().special_registers();
    if (!special) return std::move(special).error();
    special->idt = {idt_address, table_size - 1};
    return vcpu().set_special_registers(*special);
}

Result<void> TinyGuest::write_tables() {
    using Table = std::array<std::uint64_t, table_size / sizeof(std::uint64_t)>;
    const std::uint64_t directory_pointers = page_table_address + table_size;
    std::uint64_t next_directory = directory_pointers + table_size;

    Table top{};
    top[0] = directory_pointers | entry_present_writable_user;
    Table pointers{};
    bool written =
        write_values(*memory_, page_table_address, top) && write_values(*memory_, gdt_address, gdt);
    for (const auto gib : mapped_gibibytes) {
        pointers[gib] = next_directory | entry_present_writable_user;
        Table directory{};
        for (std::size_t i = 0; i < directory.size(); ++i) {
            directory[i] = (gib * gibibyte + i * large_page) | entry_large | entry_present_writable_user;
        }
        written = written && write_values(*memory_, next_directory, directory);
        next_directory += table_size;
    }
    written = written && write_values(*memory_, directory_pointers, pointers);
    if (!written) return Error{"the guest's tables do not fit its memory", {}};
    return {};
}

Result<void> TinyGuest::set_handler(std::uint8_t vector, GuestProgram program) {
    constexpr std::uint64_t kernel_code = 0x10;
    constexpr std::uint64_t interrupt_gate = 0x8E00; // present, ring 0
    const std::array<std::uint64_t, 2> gate{(handler_address & 0xFFFF) | kernel_code << 16 |
                                                interrupt_gate << 32 | (handler_address >> 16 & 0xFFFF) << 48,
                                            handler_address >> 32};
    if (!memory_->write(handler_address, program) ||
        !write_values(*memory_, idt_address + std::uint64_t{vector} * sizeof gate, gate)) {
        return Error{"the interrupt handler does not fit the guest's memory", {}};
    }
    return {};
}

GuardedEnd run_guarded(const std::shared_ptr<TinyGuest>& guest, std::uint32_t vcpu, ExitStep step,
                       std::chrono::milliseconds limit) {
    const auto run = std::make_shared<GuardedRun>();
    run->guest = guest;
    run->step = std::move(step);
    std::thread thread;
    try {
        thread = std::thread([run, vcpu] {
            run_until_told(*run, run->guest->vcpu(vcpu));
            const std::lock_guard lock(run->mutex);
            run->done = true;
            run->changed.notify_all();
        });
    } catch (const std::system_error&) {
        return GuardedEnd::not_started;
    }

    std::unique_lock lock(run->mutex);
    const auto is_done = [&] { return run->done; };
    if (run->changed.wait_for(lock, limit, is_done)) {
        lock.unlock();
        thread.join();
        return GuardedEnd::finished;
    }
    run->stop.store(true);
    guest->vcpu(vcpu).request_exit();
    if (run->changed.wait_for(lock, force_out_limit, is_done)) {
        lock.unlock();
        thread.join();
        return GuardedEnd::timed_out;
    }
    run->abandoned = true;
    lock.unlock();
    thread.detach();
    return GuardedEnd::given_up;
}

} // namespace plugbay::core
