#include "core/machine/machine.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/log.hpp"
#include "core/machine/firmware.hpp"

#include <fmt/format.h>
#include <linux/input-event-codes.h>
#include <numeric>
#include <sys/eventfd.h>
#include <utility>

namespace plugbay::core {

Result<KvmSystem> Machine::open_kvm() {
    auto system = KvmSystem::open();
    if (!system) return system;
    if (const auto missing = system->missing_required(); !missing.empty()) {
        return Error{
            fmt::format("this machine's KVM lacks {} ({})", missing.front().name, missing.front().purpose),
            "see `plugbay doctor`"};
    }
    return system;
}

Result<std::unique_ptr<Machine>> Machine::create(const MachineConfig& config,
                                                 MasterDeviceTable& device_types) {
    auto system = open_kvm();
    if (!system) return std::move(system).error();
    auto memory = GuestMemory::create(config.memory);
    if (!memory) return std::move(memory).error();
    auto vm = KvmVm::create(*system);
    if (!vm) return std::move(vm).error();

    std::unique_ptr<Machine> machine(new Machine(config, std::move(*memory), std::move(*vm)));
    // Memory slots and vCPUs before any device can add an ioeventfd: the other way round each slot costs 8
    // ms.
    if (auto slots = machine->vm_->add_guest_memory(*machine->memory_); !slots)
        return std::move(slots).error();
    if (auto done = machine->create_vcpus(); !done) return std::move(done).error();
    if (auto done = machine->create_device_manager(device_types); !done) return std::move(done).error();
    const auto place = [&](const SourcePosition& position) { return where(machine->config_, position); };
    if (auto done = machine->devices_->add(machine->config_.devices, place); !done)
        return std::move(done).error();
    if (auto done = machine->power_on_vcpus(*system); !done) return std::move(done).error();
    if (auto done = machine->boot(); !done) return std::move(done).error();
    return machine;
}

Machine::Machine(const MachineConfig& config, std::unique_ptr<GuestMemory> memory, std::unique_ptr<KvmVm> vm)
    : config_(config), memory_(std::move(memory)), vm_(std::move(vm)), platform_(*vm_), lines_(platform_),
      ram_watches_(platform_),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), services_{.memory = *memory_,
                                                                 .bus = bus_,
                                                                 .platform = platform_,
                                                                 .lines = lines_,
                                                                 .pci = pci_,
                                                                 .firmware = firmware_,
                                                                 .cpuid = cpuid_,
                                                                 .ram_watches = ram_watches_,
                                                                 .workers = workers_,
                                                                 .events = events_,
                                                                 .clock = clock_,
                                                                 .cpu_count = config_.cpus,
                                                                 .request =
                                                                     [this](MachineRequest request) {
                                                                         take_request(std::move(request));
                                                                     },
                                                                 .attention = [this] { wake(); }} {}

Machine::~Machine() {
    {
        // Devices still run: a request that arrives from now on must not reach for the vCPUs.
        const std::lock_guard guard(mutex_);
        if (!ending_) ending_.emplace();
    }
    for (const auto& vcpu : vcpus_)
        vcpu->park();
    vcpus_.clear();
    devices_.reset();
}

std::vector<std::uint32_t> Machine::all_vcpus() const {
    std::vector<std::uint32_t> all(config_.cpus);
    std::iota(all.begin(), all.end(), 0);
    return all;
}

Result<void> Machine::create_vcpus() {
    for (std::uint32_t index = 0; index < config_.cpus; ++index) {
        auto vcpu = KvmVcpu::create(*vm_, index);
        if (!vcpu) return std::move(vcpu).error();
        vcpus_.push_back(std::make_unique<VcpuThread>(
            std::move(*vcpu), bus_, *memory_,
            [this](GuestFailure failure) { take_failure(std::move(failure)); },
            [this, index] { post([index](Machine& machine) { machine.take_debug_stop(index); }); }));
    }
    auto chips = ChipSnapshot::take(*vm_);
    if (!chips) return std::move(chips).error();
    chips_at_power_on_ = std::move(*chips);
    return {};
}

// After all devices have said what they change of the processor.
Result<void> Machine::power_on_vcpus(const KvmSystem& system) {
    const auto supported = system.supported_cpuid();
    if (!supported) return supported.error();
    guest_cpuid_ = *supported;
    if (auto possible = cpuid_.apply(guest_cpuid_); !possible) return possible;
    const CpuidEditor edit = [this](CpuidTable& table, std::uint32_t) {
        static_cast<void>(cpuid_.apply(table)); // tried above
    };
    cpuid_.seal();
    for (const auto& thread : vcpus_) {
        KvmVcpu& vcpu = thread->vcpu();
        if (auto done = vcpu.set_cpuid(*supported, config_.cpus, {&edit, 1}); !done) return done;
        static_cast<void>(vcpu.set_boot_defaults()); // what a KVM refuses of these, guests do without
        auto snapshot = VcpuSnapshot::take(vcpu);
        if (!snapshot) return std::move(snapshot).error();
        vcpus_at_power_on_.push_back(std::move(*snapshot));
    }
    return {};
}

Result<void> Machine::create_device_manager(MasterDeviceTable& device_types) {
    std::vector<std::unique_ptr<IoLoop>> loops;
    for (std::uint32_t i = 0; i < config_.io_threads; ++i) {
        auto loop = IoLoop::create("io" + std::to_string(i));
        if (!loop) return std::move(loop).error();
        loops.push_back(std::move(*loop));
    }
    devices_ = std::make_unique<DeviceManager>(
        services_, [&device_types](std::string_view type) { return device_types.load(type); },
        std::move(loops));
    hot_plug_.emplace(*devices_, services_);
    return {};
}

Result<void> Machine::boot() {
    auto image = prepare_boot(*memory_, config_, firmware_, pci_);
    if (!image) return std::move(image).error();
    boot_summary_ = image->summary;
    return vcpus_.front()->vcpu().set_entry(image->entry);
}

Result<void> Machine::stop_guest() {
    if (clock_.running()) stopped_since_ = IoLoop::now();
    clock_.stop();
    for (const auto& vcpu : vcpus_)
        vcpu->park();
    for (const auto& vcpu : vcpus_) {
        if (auto parked = vcpu->wait_parked(); !parked) {
            if (!paused()) run_guest();
            return parked;
        }
    }
    return {};
}

std::string Machine::hanging() {
    constexpr std::chrono::seconds grace(1); // run() has waited already
    for (const auto& vcpu : vcpus_)
        vcpu->park();
    for (const auto& vcpu : vcpus_) {
        if (auto parked = vcpu->wait_parked(grace); !parked) return parked.error().text();
    }
    const Device* const stuck = devices_->find_stuck(VcpuThread::stop_limit);
    if (stuck == nullptr) return {};
    return fmt::format(
        "device \"{}\" does not stop: a callback of it, or of a device that it is linked to, does not return",
        stuck->id());
}

// Not one that has ended: what comes after its last instruction is nobody's business.
void Machine::run_guest() {
    {
        const std::lock_guard guard(mutex_);
        if (ending_) return;
    }
    clock_.start();
    for (const std::uint32_t index : going_)
        vcpus_[index]->run();
    if (stopped_since_) pauses_.add(IoLoop::now() - *stopped_since_);
    stopped_since_.reset();
}

Result<void> Machine::reset() {
    if (auto stopped = stop_guest(); !stopped) return stopped;
    if (auto done = hot_plug_->finish_requests(); !done)
        log_for(Subsystem::hot_plug).warn("{}", done.error().text());
    const auto between = [this]() -> Result<void> {
        {
            const std::lock_guard guard(mutex_);
            ending_.reset();
        }
        if (auto done = chips_at_power_on_->apply(*vm_); !done) return done;
        for (std::size_t i = 0; i < vcpus_.size(); ++i) {
            if (auto done = vcpus_at_power_on_[i].apply(vcpus_[i]->vcpu()); !done) return done;
        }
        if (auto done = memory_->clear(); !done) return done;
        return boot();
    };
    if (auto done = devices_->reset_all(between); !done) return done;
    if (debugger_ != nullptr) debugger_->machine_reset();
    if (paused()) {
        if (auto kept = keep_time(); !kept) return kept;
    } else {
        run_guest();
    }
    change_({MachineChange::Kind::reset});
    return {};
}

Result<void> Machine::pause() {
    if (paused()) return {};
    if (auto stopped = stop_guest(); !stopped) return stopped;
    if (auto kept = keep_time(); !kept) {
        run_guest();
        return kept;
    }
    change_({MachineChange::Kind::paused});
    return {};
}

Result<void> Machine::resume() {
    return resume(all_vcpus());
}

Result<void> Machine::resume(std::span<const std::uint32_t> vcpus) {
    if (!paused()) return {};
    if (debugger_ != nullptr) {
        if (auto done = debugger_->machine_resumes(); !done) return done;
    }
    if (auto done = paused_since_->apply(*vm_); !done) return done;
    paused_since_.reset();
    for (const auto& vcpu : vcpus_)
        ClockSnapshot::tell_paused(vcpu->vcpu());
    going_.assign(vcpus.begin(), vcpus.end());
    run_guest();
    change_({MachineChange::Kind::resumed});
    return {};
}

Result<void> Machine::keep_time() {
    auto now = ClockSnapshot::take(*vm_);
    if (!now) return std::move(now).error();
    paused_since_ = std::move(*now);
    return {};
}

Result<void> Machine::add_devices(std::span<const DeviceConfig> devices) {
    const HotPlug::Places before = hot_plug_->occupied();
    if (auto added = devices_->add(devices, {}); !added) return added;
    hot_plug_->announce_changes(before);
    return {};
}

Result<void> Machine::remove_device(std::string_view id, bool with_dependents) {
    const HotPlug::Places before = hot_plug_->occupied();
    if (auto removed = devices_->remove(id, with_dependents, DeviceManager::IfHanging::tear_out); !removed)
        return removed;
    hot_plug_->announce_changes(before);
    return {};
}

Result<void> Machine::unplug_device(std::string_view id, bool with_dependents) {
    return hot_plug_->request(id, with_dependents);
}

Result<void> Machine::press_power_button() {
    plugbay_host_event key{
        .kind = PLUGBAY_EVENT_KEY, .code = KEY_POWER, .x = 1, .y = 0, .z = 0, .dropped = 0};
    if (!events_.publish(key)) {
        return Error{"no device of this machine has a power button",
                     "an acpi-pm device has one, or end the machine with \"machine.quit\""};
    }
    key.x = 0;
    events_.publish(key);
    return {};
}

void Machine::quit() {
    take_ending({.kind = RunOutcome::Kind::quit});
}

Result<void> Machine::look_at_vcpu(std::uint32_t index, const std::function<Result<void>(KvmVcpu&)>& look) {
    if (index >= vcpus_.size()) {
        return Error{fmt::format("there is no vCPU {}", index),
                     fmt::format("the machine has 0 to {}", vcpus_.size() - 1)};
    }
    if (!paused()) {
        if (auto stopped = stop_guest(); !stopped) return stopped;
    }
    if (auto aside = step_aside(); !aside) {
        if (!paused()) run_guest();
        return aside;
    }
    auto looked = look(vcpus_[index]->vcpu());
    step_back();
    if (!paused()) run_guest();
    return looked;
}

bool Machine::read_memory(std::uint64_t physical, std::span<std::byte> bytes) const {
    if (!memory_->read(physical, bytes)) return false;
    if (debugger_ != nullptr) debugger_->hide_breakpoints(physical, bytes);
    return true;
}

Result<void> Machine::step_aside() {
    return debugger_ != nullptr ? debugger_->step_aside() : Result<void>();
}

void Machine::step_back() {
    if (debugger_ != nullptr) debugger_->step_back();
}

void Machine::measure(bool on) {
    measuring_ = on;
    bus_.presences().measure(on ? ticks_.scale() : 0);
}

void Machine::observe(std::function<void(const MachineChange&)> change) {
    change_ = change;
    devices_->observe(std::move(change));
}

void Machine::post(Command command) {
    {
        const std::lock_guard guard(mutex_);
        commands_.push_back(std::move(command));
    }
    wake();
}

void Machine::post_later(std::chrono::milliseconds delay, Command command) {
    {
        const std::lock_guard guard(mutex_);
        later_.emplace(std::chrono::steady_clock::now() + delay, std::move(command));
    }
    wake();
}

void Machine::wake() {
    ::eventfd_write(wake_.get(), 1);
}

void Machine::take_debug_stop(std::uint32_t index) {
    if (debugger_ != nullptr) return debugger_->vcpu_stopped(index);
    // It was detached meanwhile.
    if (vcpus_[index]->take_debug_exit() && !paused()) vcpus_[index]->run();
}

void Machine::take_request(MachineRequest request) {
    RunOutcome::Kind kind = RunOutcome::Kind::power_off;
    if (request.kind == MachineRequest::Kind::reset) kind = RunOutcome::Kind::reset;
    if (request.kind == MachineRequest::Kind::exit) kind = RunOutcome::Kind::exit;
    take_ending({.kind = kind, .number = request.status, .device = std::move(request.device)});
}

void Machine::take_failure(GuestFailure failure) {
    take_ending({.kind = RunOutcome::Kind::guest_failure, .failure = std::move(failure)});
}

// The first reason counts.
void Machine::take_ending(RunOutcome outcome) {
    {
        const std::lock_guard guard(mutex_);
        if (ending_) return;
        ending_ = std::move(outcome);
        // A vCPU that asked goes no further than this access; it must not run into a halt loop's triple fault.
        for (const auto& vcpu : vcpus_)
            vcpu->park();
    }
    wake();
}

} // namespace plugbay::core
