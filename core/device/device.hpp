// One device of a machine: its slot, its plugin's build, what it holds, and where it stands in its life.
#pragma once

#include "core/base/crash_guard.hpp"
#include "core/base/log.hpp"
#include "core/base/pause_record.hpp"
#include "core/base/result.hpp"
#include "core/device/callback_tables.hpp"
#include "core/device/device_counts.hpp"
#include "core/device/handover_store.hpp"
#include "core/device/machine_services.hpp"
#include "core/device/resource_table.hpp"
#include "core/device/slot.hpp"
#include "core/plugin/loaded_plugin.hpp"
#include "core/plugin/master_device_table.hpp"
#include "core/trace/access_record.hpp"

#include <plugbay/abi/host.h>
#include <plugbay/abi/plugin.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace plugbay::core {

class AccessTap;
class IoLoop;
class TappedBinding;

// Where the device stands; see docs/device-life.md.
enum class Phase : std::uint32_t {
    creating, // inside create: firmware and PCI functions may be added
    quiesced, // holds still: nothing but control callbacks
    draining, // quiesce was asked for and is not over: only file descriptors are delivered
    running,
};

// Thread: [control], but for what says otherwise. Not movable: plugins hold a pointer to its host table.
class Device {
  public:
    // Devices that are going to be joined by links had better share a loop.
    Device(std::string id, LoadedType type, MachineServices& services, IoLoop& loop);
    // Another build of `predecessor`'s device, in the same slot: its successor, detached until take_over(). What the guest
    // knows of the device it adopts instead of taking it anew; what else it asks for is its own and stays silent. The
    // predecessor serves the guest meanwhile, and outlives the detached successor.
    Device(Device& predecessor, LoadedType type);
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    // Destroys the instance, if there is one, and gives back everything it held, newest first. The device is
    // quiesced or was never started. Waits for its work without limit: what may hang goes through retire().
    ~Device();
    // Destroys the device. One whose work on other threads does not end within the limit of services(), or that was
    // quiesced in vain and still has something in flight, is pinned instead, and why is logged: the guest and its peers find nobody, what it held is given back, but its instance,
    // which is not destroyed, its plugin's code and the guest's RAM stay for the life of the process. Freeing them would
    // pull them from under the work; waiting would hang the monitor. Work that calls the host later never returns from
    // that call.
    static void retire(std::unique_ptr<Device> device);

    // --- life cycle. Errors name the device and carry its own explanation.
    [[nodiscard]] Result<void> create(std::span<const plugbay_value> values);
    [[nodiscard]] Result<void> start();
    // Returns once the device holds still, at the latest after the limit of services(). Not while holding its lock, and
    // not on its loop. When it fails the device may be half quiesced: resume() or retire() it.
    [[nodiscard]] Result<void> quiesce();
    [[nodiscard]] Result<void> quiesce(std::chrono::milliseconds limit);
    // A callback of its group did not let quiesce() begin within the limit: it runs as before. Nothing that takes its lock
    // may be tried with it.
    [[nodiscard]] bool stuck() const { return stuck_; }
    void resume();
    // In place of start(), for a device that was created, connected and loaded.
    void go_on();
    void reset();
    // Guest accesses find nobody from now on. Its gate is closed; it is going to be destroyed.
    void vacate_slot() { slot_->binding.store(nullptr, std::memory_order_release); }
    // While quiesced. The encoding is docs/state-format.md's. A device that refuses a state may be half loaded.
    [[nodiscard]] Result<std::vector<std::byte>> save();
    [[nodiscard]] Result<void> load(std::span<const std::byte> state);

    // --- on probation: a crash inside the device's code ends the call that it happens in, not the monitor. What the call
    // was to do is undone or lost; the device is no good any more.
    // Before create. `crashed` hears of the first one, from any thread, once the device serves.
    void begin_probation(std::function<void()> crashed);
    // A crash ends the monitor again.
    void end_probation();
    // Any thread.
    [[nodiscard]] bool on_probation() const {
        return (attention_.load(std::memory_order_acquire) & is_on_probation) != 0;
    }
    // Any thread. Empty: it has not crashed. "it crashed (SIGSEGV) in save"
    [[nodiscard]] std::string crash() const;
    // Under the device's lock. Runs `call`, by which something comes in: an event that the device may not have foreseen, which
    // taps are told of. False when it crashed, now or before. `where` is a text that is always there.
    template <typename Call>
    bool deliver(const char* where, Call&& call, AccessRecord::Kind kind = AccessRecord::Kind::input) {
        if (attention_.load(std::memory_order_acquire) == 0) [[likely]] {
            call();
            return true;
        }
        note_input(kind, where);
        return protect(where, call);
    }
    // Any thread. The same for calls that bring nothing in, or what taps see by themselves.
    template <typename Call>
    bool protect(const char* where, Call&& call) {
        if ((attention_.load(std::memory_order_acquire) & is_on_probation) == 0) [[likely]] {
            call();
            return true;
        }
        if (crashed_.load(std::memory_order_acquire) != 0) return false;
        const int signal = run_guarded(call);
        if (signal != 0) note_crash(signal, where);
        return signal == 0;
    }
    // The build's own, whatever the slot's is while it is on probation.
    [[nodiscard]] const Binding& binding() const { return binding_; }

    // --- accesses that somebody looks at; see core/trace/access_tap.hpp
    // What the device is entered for is noted there too from now on, also when other builds have taken over; the tap hears of
    // these, and of the device's end. Its gate is closed for a moment. Without callback locks.
    void tap(std::shared_ptr<AccessTap> tap);
    void untap(const AccessTap& tap);

    // --- of a successor
    // Any thread. Before take_over().
    [[nodiscard]] bool detached() const {
        return standing_.load(std::memory_order_acquire) == Standing::detached;
    }
    // Any thread. What it does with things that the guest knows of reaches the guest: it is neither detached nor has it
    // been taken over from.
    [[nodiscard]] bool serves() const {
        return standing_.load(std::memory_order_acquire) == Standing::serving;
    }
    // What of the predecessor's the guest knows and this build has not asked for.
    [[nodiscard]] std::vector<std::string> left_out() const;
    // Both hold still and the gate is closed. Guest accesses, adopted resources and what the build did with them are this
    // build's from now on; the predecessor is for destruction.
    void take_over();

    // Tells the device that live properties have new values; on failure it goes on with the old ones.
    [[nodiscard]] Result<void> change(std::span<const plugbay_value> values);
    // Tells the device about a link; `options` as its port declares.
    [[nodiscard]] Result<void> connected(std::uint64_t port, const plugbay_link& link,
                                         std::span<const plugbay_value> options);
    void disconnected(std::uint64_t port);

    // --- anybody's business
    [[nodiscard]] const std::string& id() const { return slot_->id; }
    [[nodiscard]] const plugbay_device_type& type() const { return *loaded_.type; }
    [[nodiscard]] void* instance() const { return binding_.instance; }
    [[nodiscard]] Slot& slot() { return *slot_; }
    // For regions: a guest access may still look at the slot when the device is gone.
    [[nodiscard]] std::shared_ptr<Slot> shared_slot() { return slot_; }
    [[nodiscard]] ResourceTable& resources() { return resources_; }
    [[nodiscard]] const ResourceTable& resources() const { return resources_; }
    [[nodiscard]] MachineServices& services() { return services_; }
    [[nodiscard]] IoLoop& loop() { return *loop_; } // in its callbacks and on the control thread
    // Its timers, descriptors, doorbells and signals are the loop's from now on. One event that is on its way may still
    // come from the thread of the loop before, under the same lock.
    void move_to(IoLoop& loop);
    [[nodiscard]] const LoadedType& loaded() const { return loaded_; }
    [[nodiscard]] const LoadedPlugin* plugin() const { return loaded_.plugin.get(); }
    [[nodiscard]] CallbackLock& lock() { return *lock_; }
    // For what an I/O loop may still call once after the device is gone: it finds out under this lock.
    [[nodiscard]] std::shared_ptr<CallbackLock> shared_lock() { return lock_; }
    [[nodiscard]] DeviceLog& log() { return log_; }                                      // any thread
    [[nodiscard]] Phase phase() const { return phase_.load(std::memory_order_acquire); } // any thread
    [[nodiscard]] const plugbay_host* host() const { return &record_.host; }
    [[nodiscard]] DeviceCounts& counts() { return *counts_; }
    // For what a guest access may still reach when the device is gone.
    [[nodiscard]] std::shared_ptr<SharedCounter> shared_interrupts() {
        return {counts_, &counts_->interrupts};
    }
    // What it left for its next build; never null. Its builds share one.
    [[nodiscard]] const std::shared_ptr<HandoverStore>& handover() const { return handover_; }
    // How long it was held for changes, with its gate closed.
    [[nodiscard]] PauseRecord& pauses() { return pauses_; }

    // The device's callback table for an extension. Null when it has none, or one that lacks a function.
    template <typename Table>
    [[nodiscard]] const Table* callbacks(const char* id) const {
        const auto* table = static_cast<const Table*>(loaded_.type->extension(id));
        return table != nullptr && whole(*table) ? table : nullptr;
    }
    // What the device has for one end of a link: "char/1.frontend".
    [[nodiscard]] const void* role_table(const char* id) const { return loaded_.type->extension(id); }

    // --- for the host tables (core/device/host/)
    // Never returns for a device that was pinned: the machine that is asked for may be gone.
    [[nodiscard]] static Device& of(const plugbay_host* host);
    // The predecessor's resource for which `same` is true, to be put into this device's table; null when there is none.
    // `tokens` as in Served.
    template <typename Same>
    [[nodiscard]] std::shared_ptr<Resource> adopt(const std::array<std::uint64_t, 6>& tokens, Same&& same) {
        for (std::shared_ptr<Resource>& each : predecessor_->resources().all()) {
            if (resources_.handle_of(*each) != PLUGBAY_NO_HANDLE || !same(*each)) continue;
            const std::lock_guard guard(mutex_);
            adopted_.insert_or_assign(each.get(), Served{.device = this, .tokens = tokens});
            return std::move(each);
        }
        return nullptr;
    }
    // [any] For what a device that does not serve does with a resource that the guest knows of: change(Served&) puts it off
    // until take_over(), or it vanishes, after another's. False: it serves meanwhile.
    template <typename Change>
    [[nodiscard]] bool defer(Change&& change, const Resource& resource) {
        const std::lock_guard guard(mutex_);
        const auto found = adopted_.find(&resource);
        if (serves()) return false;
        if (found != adopted_.end()) change(found->second);
        return true;
    }
    // [any] Remembers why, and returns the status.
    plugbay_status refuse(plugbay_status status, std::string why);
    // [io] The device says that its pending quiesce is over.
    void report_quiesced();

    // Something that was held back while the device was quiesced, to be delivered on resume.
    class Held {
      public:
        virtual ~Held() = default;
        virtual void release() = 0;
    };
    // [io], holding the lock.
    void hold_back(std::weak_ptr<Held> held) {
        counts_->held_back.add();
        held_.push_back(std::move(held));
    }

    // For memory that the device's code knows by pointer: lives as long as the device.
    void keep(std::shared_ptr<const void> memory) { kept_.push_back(std::move(memory)); }

    // Work of the device's on other threads, which must not go on while it is quiesced.
    class InFlight {
      public:
        virtual ~InFlight() = default;
        // [control], without the lock. Begins nothing more until the device resumes; false when what has
        // begun did not end within `limit`, if there is one.
        [[nodiscard]] virtual bool wait_until_still(std::optional<std::chrono::milliseconds> limit) = 0;
        // What runs now, for reports: "jobs 3, 4 of a work queue".
        [[nodiscard]] virtual std::string running() const = 0;
    };
    // Any thread.
    void add_in_flight(std::weak_ptr<InFlight> work);
    // Its work is not waited for any more, see retire().
    [[nodiscard]] bool pinned() const { return pinned_.load(std::memory_order_relaxed); }

  private:
    // Empty when nothing runs any more, else what does.
    [[nodiscard]] std::string wait_until_still(std::optional<std::chrono::milliseconds> limit);
    [[nodiscard]] Result<void> lock_within(std::chrono::milliseconds limit);
    [[nodiscard]] Error too_slow(const std::string& running, std::chrono::milliseconds limit);
    [[nodiscard]] bool concurrent() const { return (loaded_.type->flags & PLUGBAY_DEVICE_CONCURRENT) != 0; }
    void enter_slot();
    void leave_machine();
    void destroy_guarded();
    void pin();
    static void pin(std::unique_ptr<Device> device, const std::string& why);
    struct HostRecord {
        plugbay_host host; // first: `of` goes from it to the record
        Device* device;
    };

    // protect() for calls that tell how they went.
    template <typename Call>
    [[nodiscard]] plugbay_status ask(const char* where, Call&& call) {
        plugbay_status status = PLUGBAY_FAILED;
        if (!protect(where, [&] { status = call(); })) return refuse(PLUGBAY_FAILED, crash());
        return status;
    }
    void note_crash(int signal, const char* where);
    void watch_binding();
    // By which the build is reached, and what the slot points at.
    [[nodiscard]] const Binding* build_binding() const { return on_probation() ? &watched_ : &binding_; }
    [[nodiscard]] const Binding* slot_binding() const;
    [[nodiscard]] std::vector<std::shared_ptr<AccessTap>> taps() const;
    void change_taps(std::vector<std::shared_ptr<AccessTap>> taps);
    void set_taps(std::vector<std::shared_ptr<AccessTap>> taps);
    void take_taps_of(Device& predecessor);
    void end_taps();
    void note_input(AccessRecord::Kind kind, const char* what);
    [[nodiscard]] Error explain(const std::string& what, plugbay_status status);
    void end_hold();
    void forget_error();

    Device(std::string id, LoadedType type, MachineServices& services, IoLoop& loop, Device* predecessor);

    DeviceLog log_;       // first: others log to the last
    Device* predecessor_; // null: none, or it has been taken over from
    const std::shared_ptr<Slot> slot_;
    LoadedType loaded_;
    MachineServices& services_;
    IoLoop* loop_; // changes under lock_
    const std::shared_ptr<CallbackLock> lock_;
    HostRecord record_;
    Binding binding_;
    Binding watched_; // on probation: leads to binding_ by protect()
    // Why calls into the device are not just made: one of these, or both.
    static constexpr std::uint32_t is_on_probation = 1;
    static constexpr std::uint32_t has_taps = 2;
    std::atomic<std::uint32_t> attention_{0};
    std::unique_ptr<TappedBinding> tapped_;         // null: no taps. Changes under lock_ with the gate closed
    const std::uint16_t build_;                     // its number among the builds of the device, from 1
    std::atomic<int> crashed_{0};                   // the signal
    std::atomic<const char*> crashed_in_{nullptr};  // where
    std::function<void()> tell_crashed_;            // fixed before create
    std::unique_ptr<CrashHandlers> crash_handlers_; // on probation
    const std::shared_ptr<DeviceCounts> counts_;
    PauseRecord pauses_;
    std::shared_ptr<HandoverStore> handover_; // null once pinned
    std::vector<AccessCounts>
        access_counts_; // of a successor: what the slot's are replaced with, if not empty
    enum class Standing : std::uint8_t { detached, serving, succeeded };
    std::atomic<Standing> standing_;
    std::atomic<Phase> phase_{Phase::creating};
    std::atomic<bool> pinned_{false};
    std::vector<std::shared_ptr<const void>> kept_; // what its code may use as long as it is there
    bool late_ = false;                             // control thread only: a quiesce has waited in vain
    bool stuck_ = false;                            // likewise: for the lock
    std::mutex mutex_;                              // for what follows
    std::condition_variable quiesced_;
    std::string error_text_;
    std::vector<std::weak_ptr<InFlight>> in_flight_;
    std::unordered_map<const Resource*, Served> adopted_;
    std::vector<std::weak_ptr<Held>> held_; // guarded by lock_
    ResourceTable resources_;               // last: given back before anything else goes
};

} // namespace plugbay::core
