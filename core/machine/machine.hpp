// A whole machine: made from its checked configuration as one transaction, run until it ends, and taken apart
// again.
#pragma once

#include "core/base/log.hpp"
#include "core/base/pause_record.hpp"
#include "core/base/result.hpp"
#include "core/base/tick_clock.hpp"
#include "core/bus/access_bus.hpp"
#include "core/config/machine_config.hpp"
#include "core/device/cpuid_edits.hpp"
#include "core/device/firmware_records.hpp"
#include "core/device/guest_clock.hpp"
#include "core/device/host_events.hpp"
#include "core/device/interrupt_lines.hpp"
#include "core/device/ram_watches.hpp"
#include "core/io/worker_pool.hpp"
#include "core/kvm/kvm_vm.hpp"
#include "core/kvm/processor_facts.hpp"
#include "core/kvm/snapshot.hpp"
#include "core/machine/device_manager.hpp"
#include "core/machine/hot_plug.hpp"
#include "core/machine/kvm_platform.hpp"
#include "core/machine/machine_change.hpp"
#include "core/machine/machine_state.hpp"
#include "core/machine/vcpu_thread.hpp"
#include "core/memory/guest_memory.hpp"
#include "core/pci/pci_bus.hpp"
#include "core/plugin/master_device_table.hpp"

#include <plugbay/unique_fd.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

// Why a run ended.
struct RunOutcome {
    enum class Kind { power_off, reset, exit, signal, quit, moved, timeout, guest_failure };
    Kind kind = Kind::power_off;
    std::uint32_t number = 0;  // exit: the status; signal: its number
    std::string device = {};   // who asked, for the first three
    GuestFailure failure = {}; // guest_failure
};

// What a debugger is told, on the control thread.
class MachineDebugger {
  public:
    virtual ~MachineDebugger() = default;
    // By a debug exit; the others run on.
    virtual void vcpu_stopped(std::uint32_t index) = 0;
    // Memory and registers are another's: of a machine just switched on, or of a checkpoint. No vCPU runs yet.
    virtual void machine_reset() = 0;
    // The guest stands still. Until step_back() the vCPU that is being stepped does, too, and no breakpoint is in memory. An
    // error, and nothing has changed, when that vCPU does not come out of a device.
    [[nodiscard]] virtual Result<void> step_aside() = 0;
    // Without step_aside() before it does nothing.
    virtual void step_back() = 0;
    // Somebody lets vCPUs go, and none runs yet. The last step is over.
    [[nodiscard]] virtual Result<void> machine_resumes() = 0;
    // `bytes` were read at `physical`: makes them what the guest has there.
    virtual void hide_breakpoints(std::uint64_t physical, std::span<std::byte> bytes) const = 0;
};

// Thread: [control], the one that created it, which has SIGINT, SIGTERM, SIGHUP and SIGUSR1 blocked.
class Machine {
  public:
    // Creates all devices, connects all, starts all, and prepares the first vCPU. On failure everything made
    // so far is undone in reverse order. `config` is copied.
    [[nodiscard]] static Result<std::unique_ptr<Machine>> create(const MachineConfig& config,
                                                                 MasterDeviceTable& device_types);
    // What a machine goes on from.
    struct Origin {
        const MachineState& state;
        std::unique_ptr<GuestMemory> memory;
        // It comes from another process, where its devices left this.
        std::optional<DeviceManager::Arriving> arriving = {};
        bool accept_other_processor = false; // although this host does not show what the guest knows
        // Called when all is made and loaded and nothing runs yet: the last that can fail.
        std::function<Result<void>()> ready = [] { return Result<void>(); };
    };
    // The same machine as it was when the state was saved, paused. Nothing is booted.
    [[nodiscard]] static Result<std::unique_ptr<Machine>>
    restore(const MachineConfig& config, MasterDeviceTable& device_types, Origin origin);
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    ~Machine();

    // Runs the guest until it ends, a signal asks for the end, or `limit` is over; SIGUSR1 prints the devices to standard
    // error. Resets
    // happen inside, unless the configuration says that they end the run. A machine that was paused before waits for
    // resume().
    [[nodiscard]] Result<RunOutcome> run(std::optional<std::chrono::seconds> limit = std::nullopt);
    // After run(): what never ends, so that the destructor would not either, nor anything that waits for a device. Not
    // empty: leave the process by _exit(2).
    [[nodiscard]] std::string hanging();

    // Thread: any. Has run() call `command` on the control thread, between other things, in the order posted; the guest
    // runs on meanwhile. What run() has not called when it returns is dropped.
    using Command = std::function<void(Machine&)>;
    void post(Command command);
    // The same, once `delay` has passed.
    void post_later(std::chrono::milliseconds delay, Command command);

    // --- for commands
    // The guest stands still, and its clocks with it; devices finish what they are at. Repeating either does nothing.
    // A paused machine stays paused over a reset.
    [[nodiscard]] Result<void> pause();
    [[nodiscard]] Result<void> resume();
    // The same, but only these vCPUs go on; the others do with the next resume() after a pause().
    [[nodiscard]] Result<void> resume(std::span<const std::uint32_t> vcpus);
    [[nodiscard]] bool paused() const { return paused_since_.has_value(); }
    // As the reset line would: every device, bus, interrupt controller and CPU back to power-on, memory empty, image
    // loaded again.
    [[nodiscard]] Result<void> reset();
    // --- checkpoints, see docs/checkpoint.md
    // Gives the machine's state to `write` while vCPUs and devices hold still, and with them what is in memory() and on
    // disks. Afterwards the guest runs again, unless it was paused before.
    using UseState = std::function<Result<void>(const MachineState& state)>;
    [[nodiscard]] Result<void> save(const UseState& write);
    // save() for a machine that goes on in another process. When `write` has succeeded, nothing of it runs here any more,
    // what is outside of it is left as it is, and run() returns.
    [[nodiscard]] Result<void> give_away(const UseState& write);
    // Goes back to `state`, with what `fill` puts into RAM, and then runs, unless it was paused before or a debugger is told. When a device or
    // what is in the state is refused, the machine is what it was; when `fill` fails, it stays paused and is good for nothing but to
    // be ended.
    [[nodiscard]] Result<void> load(const MachineState& state,
                                    const std::function<Result<void>(const GuestMemory& memory)>& fill);
    // Whether writes to RAM are tracked, for checkpoints that have only what changed; `false` forgets what was.
    [[nodiscard]] Result<void> track_memory(bool on);
    [[nodiscard]] bool memory_tracked() const { return memory_tracked_; }
    // The pages that were written since tracking began or this was last called: a bit a page, by its place in
    // GuestMemory's ranges, which follow each other.
    [[nodiscard]] Result<std::vector<std::uint64_t>> take_written_pages();
    // What was taken and did not get where it was to go: the next take_written_pages() has it again.
    void put_back_written_pages(std::vector<std::uint64_t> pages) { written_pages_ = std::move(pages); }

    // Presses and releases it; the guest decides what it means. An error when no device has one.
    [[nodiscard]] Result<void> press_power_button();
    // For what happens outside of the guest and nobody else tells. Thread: any.
    [[nodiscard]] HostEvents& events() { return events_; }
    // run() returns soon.
    void quit();
    // The guest's RAM at a physical address, without a debugger's breakpoints. False: not all of it is RAM.
    [[nodiscard]] bool read_memory(std::uint64_t physical, std::span<std::byte> bytes) const;
    // A vCPU, for `look`; a guest that runs, or is stepped, stands still meanwhile.
    [[nodiscard]] Result<void> look_at_vcpu(std::uint32_t index,
                                            const std::function<Result<void>(KvmVcpu&)>& look);
    // Devices that come while the guest runs; the guest is told of those on a PCI bus.
    [[nodiscard]] Result<void> add_devices(std::span<const DeviceConfig> devices);
    // At once, whatever the guest does with it: the guest hears of it afterwards.
    [[nodiscard]] Result<void> remove_device(std::string_view id, bool with_dependents);
    // Asks the guest first; the device goes when the guest has let go of it.
    [[nodiscard]] Result<void> unplug_device(std::string_view id, bool with_dependents);
    // One at a time; null takes it away.
    void set_debugger(MachineDebugger* debugger) { debugger_ = debugger; }
    [[nodiscard]] const std::vector<std::unique_ptr<VcpuThread>>& vcpus() { return vcpus_; }
    // For everything else; adding and removing through these would leave the guest uninformed.
    [[nodiscard]] DeviceManager& devices() { return *devices_; }

    // What becomes of the machine and its devices. `change` is called for each; a device's may come from inside any of
    // the commands above, which it does not give again.
    void observe(std::function<void(const MachineChange&)> change);

    // --- looking
    [[nodiscard]] const MachineConfig& config() const { return config_; } // as it was made
    [[nodiscard]] const GuestMemory& memory() const { return *memory_; }
    [[nodiscard]] std::uint64_t guest_time() const { return clock_.now(); } // nanoseconds, without pauses
    [[nodiscard]] const std::string& boot_summary() const { return boot_summary_; }

    // --- counting
    [[nodiscard]] const VcpuCounts& vcpu_counts(std::uint32_t index) const { return vcpus_[index]->counts(); }
    // How often and for how long all vCPUs stood still, for whatever reason, while the machine did not end.
    [[nodiscard]] const PauseRecord& pauses() const { return pauses_; }
    // Whether accesses and exits are timed, which costs each two reads of the processor's time stamp counter.
    void measure(bool on);
    [[nodiscard]] bool measuring() const { return measuring_; }

  private:
    Machine(const MachineConfig& config, std::unique_ptr<GuestMemory> memory, std::unique_ptr<KvmVm> vm);
    [[nodiscard]] static Result<KvmSystem> open_kvm();

    [[nodiscard]] Result<void> create_vcpus();
    [[nodiscard]] Result<void> power_on_vcpus(const KvmSystem& system);
    [[nodiscard]] Result<void> create_device_manager(MasterDeviceTable& device_types);
    [[nodiscard]] Result<MachineState> state_with(std::vector<DeviceState> devices);
    [[nodiscard]] Result<void> hold_for_saving();
    [[nodiscard]] Result<void> step_aside();
    void step_back();
    struct Processors;
    [[nodiscard]] Result<Processors> read_processors(const MachineState& state, bool accept_other) const;
    [[nodiscard]] Result<void> apply(Processors processors);
    [[nodiscard]] Result<void> boot();
    [[nodiscard]] Result<void> keep_time();
    [[nodiscard]] std::vector<std::uint32_t> all_vcpus() const;
    // On failure the guest runs on, unless it was paused.
    [[nodiscard]] Result<void> stop_guest();
    void run_guest();
    void take_request(MachineRequest request);
    void take_failure(GuestFailure failure);
    void take_ending(RunOutcome outcome);
    void wake();
    [[nodiscard]] Result<RunOutcome> wait_for_event(int signals, int timer);
    void run_commands();
    [[nodiscard]] bool moved();
    // Milliseconds until the first of later_, as poll(2) takes them.
    [[nodiscard]] int wait_limit();
    void take_debug_stop(std::uint32_t index);

    const MachineConfig config_;
    std::unique_ptr<GuestMemory> memory_;
    std::unique_ptr<KvmVm> vm_;
    KvmPlatform platform_;
    AccessBus bus_;
    InterruptLines lines_;
    PciBuses pci_;
    FirmwareRecords firmware_;
    CpuidEdits cpuid_;
    RamWatches ram_watches_;
    WorkerPool workers_;
    HostEvents events_;
    GuestClock clock_;
    UniqueFd wake_;
    std::mutex mutex_;
    std::optional<RunOutcome> ending_; // guarded by mutex_: the first reason to stop
    std::deque<Command> commands_;     // guarded by mutex_
    std::multimap<std::chrono::steady_clock::time_point, Command> later_; // guarded by mutex_
    MachineServices services_;
    std::unique_ptr<DeviceManager> devices_; // null only while the machine is being created
    std::optional<HotPlug> hot_plug_;        // made with devices_
    std::vector<std::unique_ptr<VcpuThread>> vcpus_;
    std::vector<std::uint32_t> going_ =
        all_vcpus();         // those that run when the guest does: not all while one is stepped
    CpuidTable guest_cpuid_; // before topology
    bool memory_tracked_ = false;
    std::vector<std::uint64_t> written_pages_; // put back
    std::vector<VcpuSnapshot> vcpus_at_power_on_;
    std::optional<ChipSnapshot> chips_at_power_on_;
    std::optional<ClockSnapshot> paused_since_;  // the guest's time then; nothing while it runs
    std::optional<std::uint64_t> stopped_since_; // the host's time at which the vCPUs were stopped
    PauseRecord pauses_;
    TickClock ticks_;
    bool measuring_ = false;
    std::string boot_summary_;
    std::function<void(const MachineChange&)> change_ = [](const MachineChange&) {};
    LimitedLog log_{Subsystem::machine}; // for what the guest can cause
    MachineDebugger* debugger_ = nullptr;
};

} // namespace plugbay::core
