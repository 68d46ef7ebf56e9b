// A machine saved, and made anew from what was saved. Why in this order: docs/checkpoint.md.
#include "core/base/log.hpp"
#include "core/kvm/nested_guest.hpp"
#include "core/machine/machine.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace plugbay::core {

namespace {

template <typename Snapshot>
Result<std::vector<std::byte>> bytes_of(const Snapshot& snapshot) {
    auto image = snapshot.save();
    if (!image) return std::move(image).error();
    return image->bytes();
}

// `what` it is a state of, for errors.
template <typename Snapshot>
Result<Snapshot> read(const std::vector<std::byte>& bytes, const std::string& what) {
    std::string why;
    const auto image = StateImage::parse(bytes, why);
    if (!image) return Error{what + ": " + why};
    auto loaded = Snapshot::load(*image);
    if (!loaded) return with_context(what, std::move(loaded).error());
    return loaded;
}

// Whether the guest's processor is this host's, before anything is made for it.
Result<void> check_host(const MachineState& state, const KvmSystem& system) {
    const auto facts = read<ProcessorFacts>(state.processor, "processor");
    if (!facts) return facts.error();
    const auto supported = system.supported_cpuid();
    if (!supported) return supported.error();
    return check_processor(*facts, *supported);
}

} // namespace

// What was saved of vCPUs, interrupt controllers and clock.
struct Machine::Processors {
    ProcessorFacts facts;
    ChipSnapshot chips;
    ClockSnapshot clock;
    std::vector<VcpuSnapshot> vcpus;
};

Result<MachineState> Machine::state_with(std::vector<DeviceState> devices) {
    MachineState state{.devices = std::move(devices), .guest_time = clock_.now()};
    const auto add = [](Result<std::vector<std::byte>> bytes, std::vector<std::byte>& to) -> Result<void> {
        if (!bytes) return std::move(bytes).error();
        to = *std::move(bytes);
        return {};
    };
    for (const auto& thread : vcpus_) {
        if (in_nested_guest(thread->vcpu()))
            return Error{"the guest runs a guest of its own, which cannot be saved", "end that first"};
        const auto snapshot = VcpuSnapshot::take(thread->vcpu());
        if (!snapshot) return snapshot.error();
        if (auto done = add(bytes_of(*snapshot), state.vcpus.emplace_back()); !done)
            return std::move(done).error();
    }
    const auto chips = ChipSnapshot::take(*vm_);
    if (!chips) return chips.error();
    if (auto done = add(bytes_of(*chips), state.chips); !done) return std::move(done).error();
    if (auto done = add(bytes_of(*paused_since_), state.clock); !done) return std::move(done).error();
    ProcessorFacts facts = ProcessorFacts::of(vcpus_.front()->vcpu(), guest_cpuid_);
    facts.edited = cpuid_.leaves();
    if (auto done = add(bytes_of(facts), state.processor); !done) return std::move(done).error();
    return state;
}

// A reset or an end that was asked for and not begun is in nobody's state.
Result<void> Machine::hold_for_saving() {
    if (auto done = pause(); !done) return done;
    if (auto aside = step_aside(); !aside) return aside;
    const std::lock_guard guard(mutex_);
    if (!ending_) return {};
    return Error{"the machine is about to be reset or to end", "try again, if it still runs"};
}

Result<void> Machine::save(const UseState& write) {
    const bool was_paused = paused();
    auto saved = hold_for_saving();
    if (saved) {
        saved = devices_->save_all([&](std::vector<DeviceState> devices) -> Result<void> {
            const auto state = state_with(std::move(devices));
            return state ? write(*state) : state.error();
        });
    }
    step_back();
    if (was_paused) return saved;
    auto resumed = resume();
    return saved ? std::move(resumed) : std::move(saved);
}

Result<void> Machine::give_away(const UseState& write) {
    const bool was_paused = paused();
    auto given = hold_for_saving();
    if (given) {
        given = devices_->give_away([&](std::vector<DeviceState> devices) -> Result<void> {
            const auto state = state_with(std::move(devices));
            return state ? write(*state) : state.error();
        });
    }
    if (given) {
        // A reset that a device's thread has asked for meanwhile must not begin the guest here once more.
        {
            const std::lock_guard guard(mutex_);
            ending_ = RunOutcome{.kind = RunOutcome::Kind::moved};
        }
        wake();
        return given;
    }
    step_back();
    if (!was_paused) {
        if (auto resumed = resume(); !resumed)
            log_for(Subsystem::machine).error("the machine stays paused: {}", resumed.error().text());
    }
    return given;
}

Result<std::unique_ptr<Machine>> Machine::restore(const MachineConfig& config,
                                                  MasterDeviceTable& device_types, Origin origin) {
    const MachineState& state = origin.state;
    std::unique_ptr<GuestMemory>& memory = origin.memory;
    if (memory->size() != config.memory || state.vcpus.size() != config.cpus) {
        return Error{fmt::format("{} bytes of memory and {} vCPUs were saved, and the machine has {} and {}",
                                 memory->size(), state.vcpus.size(), config.memory, config.cpus),
                     "restore into the machine that was saved"};
    }
    auto system = open_kvm();
    if (!system) return std::move(system).error();
    if (auto same = origin.accept_other_processor ? Result<void>() : check_host(state, *system); !same)
        return std::move(same).error();
    auto vm = KvmVm::create(*system);
    if (!vm) return std::move(vm).error();
    std::unique_ptr<Machine> machine(new Machine(config, std::move(memory), std::move(*vm)));
    if (auto slots = machine->vm_->add_guest_memory(*machine->memory_); !slots)
        return std::move(slots).error();
    if (auto done = machine->create_vcpus(); !done) return std::move(done).error();
    if (auto done = machine->create_device_manager(device_types); !done) return std::move(done).error();
    machine->clock_.set(state.guest_time); // deadlines that devices set while they load are on this clock
    const auto place = [&](const SourcePosition& position) { return where(machine->config_, position); };
    // Devices have set their lines, which the interrupt controllers' states overrule; and none of them sends an interrupt
    // before the local APICs are there to take it.
    const auto between = [&]() -> Result<void> {
        if (auto done = machine->power_on_vcpus(*system); !done) return done;
        auto processors = machine->read_processors(state, origin.accept_other_processor);
        if (!processors) return std::move(processors).error();
        if (auto done = machine->apply(*std::move(processors)); !done) return done;
        return origin.ready();
    };
    auto restored = machine->devices_->restore(machine->config_.devices, state.devices, place, between,
                                               origin.arriving ? &*origin.arriving : nullptr);
    if (!restored) return std::move(restored).error();
    machine->boot_summary_ = "goes on from a checkpoint";
    return machine;
}

Result<Machine::Processors> Machine::read_processors(const MachineState& state, bool accept_other) const {
    if (state.vcpus.size() != vcpus_.size()) {
        return Error{
            fmt::format("{} vCPUs were saved, and the machine has {}", state.vcpus.size(), vcpus_.size()),
            "restore into the machine that was saved"};
    }
    auto facts = read<ProcessorFacts>(state.processor, "processor");
    if (!facts) return std::move(facts).error();
    auto chips = read<ChipSnapshot>(state.chips, "interrupt controllers");
    if (!chips) return std::move(chips).error();
    auto clock = read<ClockSnapshot>(state.clock, "clock");
    if (!clock) return std::move(clock).error();
    Processors processors{*std::move(facts), *std::move(chips), *std::move(clock), {}};
    for (std::size_t i = 0; i < state.vcpus.size(); ++i) {
        auto snapshot = read<VcpuSnapshot>(state.vcpus[i], fmt::format("vCPU {}", i));
        if (!snapshot) return std::move(snapshot).error();
        processors.vcpus.push_back(*std::move(snapshot));
    }
    for (const auto& thread : vcpus_) {
        const KvmVcpu& vcpu = thread->vcpu();
        auto good = accept_processor(processors.facts, ProcessorFacts::of(vcpu, guest_cpuid_), vcpu);
        if (good) continue;
        if (!accept_other) return std::move(good).error();
        log_for(Subsystem::machine).warn("{}", good.error().text());
    }
    return processors;
}

Result<void> Machine::apply(Processors processors) {
    for (std::size_t i = 0; i < vcpus_.size(); ++i) {
        if (auto done = processors.vcpus[i].apply_time_stamp(vcpus_[i]->vcpu()); !done) return done;
    }
    if (auto done = processors.chips.apply(*vm_); !done) return done;
    for (std::size_t i = 0; i < vcpus_.size(); ++i) {
        if (auto done = processors.vcpus[i].apply(vcpus_[i]->vcpu()); !done) return done;
    }
    paused_since_ = std::move(processors.clock);
    return {};
}

Result<void> Machine::load(const MachineState& state,
                           const std::function<Result<void>(const GuestMemory&)>& fill) {
    const bool was_paused = paused();
    if (auto done = pause(); !done) return done;
    if (auto aside = step_aside(); !aside) return aside;
    const std::uint64_t before = clock_.now();
    bool begun = false; // what is not a device's is being replaced
    const auto load = [&]() -> Result<void> {
        auto processors = read_processors(state, false);
        if (!processors) return std::move(processors).error();
        clock_.set(state.guest_time);
        return devices_->load_all(state.devices, [&]() -> Result<void> {
            begun = true;
            if (auto filled = fill(*memory_); !filled) return filled;
            return apply(*std::move(processors));
        });
    };
    auto loaded = load();
    if (!loaded && begun) return with_context("the machine cannot go on any more", std::move(loaded).error());
    if (!loaded) {
        clock_.set(before);
        step_back();
    } else if (debugger_ != nullptr) {
        debugger_->machine_reset(); // stays where it is until the debugger lets it go
        return loaded;
    }
    if (was_paused) return loaded;
    auto resumed = resume();
    return loaded ? std::move(resumed) : std::move(loaded);
}

Result<void> Machine::track_memory(bool on) {
    if (auto done = vm_->log_guest_memory(on); !done) return done;
    if (on) {
        memory_->start_dirty_tracking();
    } else {
        memory_->stop_dirty_tracking();
    }
    memory_tracked_ = on;
    written_pages_.clear();
    return {};
}

Result<std::vector<std::uint64_t>> Machine::take_written_pages() {
    auto pages = vm_->take_dirty_guest_memory();
    if (!pages) return pages;
    const std::vector<std::uint64_t> by_host = memory_->take_dirty_pages();
    for (const auto& others : {by_host, std::exchange(written_pages_, {})}) {
        for (std::size_t i = 0; i < std::min(pages->size(), others.size()); ++i)
            (*pages)[i] |= others[i];
    }
    return pages;
}

} // namespace plugbay::core
