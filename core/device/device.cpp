#include "core/device/device.hpp"

#include "core/base/utf8.hpp"
#include "core/bus/access_bus.hpp"
#include "core/bus/gate.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/device/host_events.hpp"
#include "core/device/status.hpp"
#include "core/device/tapped_binding.hpp"
#include "core/memory/guest_memory.hpp"
#include "core/pci/pci_bus.hpp"
#include "core/version.hpp"

#include <chrono>
#include <cstddef>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <thread>
#include <utility>

namespace plugbay::core {

namespace {

// In bytes: what a plugin says may come from a guest, a file or a socket.
constexpr std::size_t longest_text_shown = 2000;

// What a quiesce that is pending waits for, in reports.
constexpr const char* what_is_in_flight = "what it has in flight";

LogLevel log_level(std::uint32_t level) {
    switch (level) {
    case PLUGBAY_LOG_TRACE:
        return LogLevel::trace;
    case PLUGBAY_LOG_DEBUG:
        return LogLevel::debug;
    case PLUGBAY_LOG_INFO:
        return LogLevel::info;
    case PLUGBAY_LOG_WARNING:
        return LogLevel::warn;
    default:
        return LogLevel::err;
    }
}

void host_log(const plugbay_host* host, std::uint32_t level, const char* message) {
    Device& device = Device::of(host);
    if (level == PLUGBAY_LOG_ERROR) device.counts().errors.add();
    device.log().write_text(log_level(level), message == nullptr ? "(null)" : message);
}

void host_set_error(const plugbay_host* host, const char* message) {
    Device::of(host).refuse(PLUGBAY_FAILED,
                            message == nullptr ? "" : printable_text(message, longest_text_shown));
}

void host_quiesced(const plugbay_host* host) {
    Device::of(host).report_quiesced();
}

} // namespace

Device::Device(std::string id, LoadedType type, MachineServices& services, IoLoop& loop)
    : Device(std::move(id), std::move(type), services, loop, nullptr) {}

Device::Device(Device& predecessor, LoadedType type)
    : Device(predecessor.id(), std::move(type), predecessor.services_, *predecessor.loop_, &predecessor) {}

Device::Device(std::string id, LoadedType type, MachineServices& services, IoLoop& loop, Device* predecessor)
    : log_(id), predecessor_(predecessor),
      slot_(predecessor == nullptr ? std::make_shared<Slot>() : predecessor->slot_), loaded_(std::move(type)),
      services_(services), loop_(&loop),
      lock_(predecessor == nullptr ? std::make_shared<CallbackLock>() : predecessor->lock_),
      build_(predecessor == nullptr ? std::uint16_t{1} : static_cast<std::uint16_t>(predecessor->build_ + 1)),
      counts_(predecessor == nullptr ? std::make_shared<DeviceCounts>() : predecessor->counts_),
      handover_(predecessor == nullptr ? std::make_shared<HandoverStore>(this) : predecessor->handover_),
      standing_(predecessor == nullptr ? Standing::serving : Standing::detached) {
    if (predecessor == nullptr) slot_->id = std::move(id);
    record_ = {.host = {.size = sizeof(plugbay_host),
                        .abi_major = PLUGBAY_ABI_MAJOR,
                        .abi_minor = PLUGBAY_ABI_MINOR,
                        .name = "plugbay",
                        .version = version_text,
                        .device_id = slot_->id.c_str(),
                        .extension = &find_host_extension,
                        .log = &host_log,
                        .set_error = &host_set_error,
                        .quiesced = &host_quiesced},
               .device = this};
    binding_.type = loaded_.type;
}

Device& Device::of(const plugbay_host* host) {
    static_assert(offsetof(HostRecord, host) == 0);
    Device& device = *reinterpret_cast<const HostRecord*>(host)->device;
    while (device.pinned())
        [[unlikely]] std::this_thread::sleep_for(std::chrono::hours(1));
    return device;
}

// Guest accesses, timers and descriptors reach nobody from now on.
void Device::leave_machine() {
    services_.pci.unplug(*this);
    if (slot_->binding.load() == slot_binding()) {
        const GateClosed closed(*slot_, services_.bus.presences());
        vacate_slot();
    }
    if (serves()) end_taps();
    phase_.store(Phase::quiesced);
}

void Device::retire(std::unique_ptr<Device> device) {
    // A quiesce that was waited for in vain: what is in flight, perhaps in the kernel, still uses the device and RAM.
    const bool in_flight = device->late_ && device->phase() == Phase::draining;
    device->leave_machine();
    // Whoever waited in vain to quiesce it has waited long enough.
    const std::chrono::milliseconds limit =
        device->late_ ? std::chrono::milliseconds(0) : device->services_.quiesce_limit;
    std::string running = device->wait_until_still(limit);
    if (in_flight && running.empty()) running = what_is_in_flight;
    if (running.empty() && device->on_probation()) device->destroy_guarded();
    if (const std::string crash = device->crash(); !crash.empty()) return pin(std::move(device), crash);
    if (running.empty()) return;
    const std::string why = fmt::format("{} did not end within {}", running, device->services_.quiesce_limit);
    pin(std::move(device), why);
}

void Device::destroy_guarded() {
    const std::lock_guard guard(*lock_);
    if (binding_.instance == nullptr) return;
    if (protect("destroy", [&] { binding_.type->destroy(binding_.instance); })) binding_.instance = nullptr;
}

void Device::pin(std::unique_ptr<Device> device, const std::string& why) {
    log_for(Subsystem::devices)
        .error(
            "device \"{}\" ({}) is pinned: {}; its memory and its plugin's code stay until the monitor ends",
            device->id(), device->type().name, why);
    device->pin();
    // Held where leak checkers see it, and by nothing that is destroyed at exit.
    static auto& all = *new std::vector<std::unique_ptr<Device>>;
    all.push_back(std::move(device));
}

void Device::pin() {
    pinned_.store(true);
    services_.memory.keep_mapped();
    resources_.each([&](const Resource& resource) { kept_.push_back(resource.memory()); });
    // A call of the host's that began before takes microseconds; this is the slow, safe substitute for counting them.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    resources_.release_all();
    handover_.reset(); // what others at the far end of a connection would wait for
}

Device::~Device() {
    leave_machine();
    static_cast<void>(wait_until_still(std::nullopt));
    if (binding_.instance != nullptr) {
        const std::lock_guard guard(*lock_);
        binding_.type->destroy(binding_.instance);
    }
    handover_->forget(this);
    services_.events.forget(*this);
    resources_.release_all();
}

plugbay_status Device::refuse(plugbay_status status, std::string why) {
    const std::lock_guard guard(mutex_);
    error_text_ = std::move(why);
    return status;
}

// A host call that the device got over must not explain a later failure.
void Device::forget_error() {
    const std::lock_guard guard(mutex_);
    error_text_.clear();
}

Error Device::explain(const std::string& what, plugbay_status status) {
    const std::lock_guard guard(mutex_);
    std::string why = std::exchange(error_text_, {});
    if (why.empty()) why = std::string("it failed without saying why (") + status_name(status) + ")";
    return Error{"device \"" + slot_->id + "\" (" + binding_.type->name + ") " + what + ": " + why};
}

Result<void> Device::create(std::span<const plugbay_value> values) {
    void* instance = nullptr;
    plugbay_status status = PLUGBAY_FAILED;
    {
        // A successor's predecessor goes on: nothing calls the successor, so that nothing needs the lock.
        std::unique_lock guard(*lock_, std::defer_lock);
        if (!detached()) guard.lock();
        forget_error();
        status = ask("create", [&] {
            return binding_.type->create(&record_.host, values.data(),
                                         static_cast<std::uint32_t>(values.size()), &instance);
        });
    }
    if (status != PLUGBAY_OK) return explain("could not be created", status);
    if (instance == nullptr) return explain("said it was created but gave no instance", PLUGBAY_INVALID);
    binding_.instance = instance;
    binding_.access = callbacks<plugbay_access_callbacks>(PLUGBAY_ACCESS);
    binding_.msr = callbacks<plugbay_msr_callbacks>(PLUGBAY_MSR);
    binding_.hypercall = callbacks<plugbay_hypercall_callbacks>(PLUGBAY_HYPERCALL);
    watch_binding();
    phase_.store(Phase::quiesced, std::memory_order_release);
    const std::size_t counts = concurrent() ? services_.cpu_count : 1;
    if (slot_->counts.size() != counts) access_counts_ = std::vector<AccessCounts>(counts);
    if (!detached()) enter_slot();
    return {};
}

void Device::enter_slot() {
    if (!access_counts_.empty()) slot_->counts = std::exchange(access_counts_, {});
    slot_->lock.store(concurrent() ? nullptr : lock_.get(), std::memory_order_release);
}

Result<void> Device::start() {
    const std::lock_guard guard(*lock_);
    if (binding_.type->start != nullptr) {
        forget_error();
        const plugbay_status status = binding_.type->start(binding_.instance);
        if (status != PLUGBAY_OK) return explain("could not be started", status);
    }
    end_hold();
    // Only now: the guest may be running already.
    slot_->binding.store(slot_binding(), std::memory_order_release);
    return {};
}

Result<void> Device::quiesce() {
    return quiesce(services_.quiesce_limit);
}

Result<void> Device::quiesce(std::chrono::milliseconds limit) {
    if (phase() != Phase::running) return {};
    plugbay_status status = PLUGBAY_OK;
    {
        if (auto locked = lock_within(limit); !locked) return locked;
        const std::lock_guard guard(*lock_, std::adopt_lock);
        forget_error();
        phase_.store(Phase::draining, std::memory_order_release);
        if (binding_.type->quiesce != nullptr)
            status = ask("quiesce", [&] { return binding_.type->quiesce(binding_.instance); });
        if (!crash().empty()) status = PLUGBAY_OK; // nothing of it moves any more
        if (status == PLUGBAY_OK) phase_.store(Phase::quiesced, std::memory_order_release);
    }
    const auto wait_for_work = [&]() -> Result<void> {
        const std::string running = wait_until_still(limit);
        if (running.empty()) return {};
        return too_slow(running, limit);
    };
    if (status == PLUGBAY_OK) return wait_for_work();
    if (status != PLUGBAY_PENDING) {
        Error error = explain("could not be quiesced", status);
        resume();
        return error;
    }
    bool over = false;
    {
        std::unique_lock guard(mutex_);
        over = quiesced_.wait_for(guard, limit, [&] { return phase() == Phase::quiesced; });
    }
    if (!over) return too_slow(what_is_in_flight, limit);
    {
        // The callback that reported it may still be running.
        const std::lock_guard guard(*lock_);
    }
    return wait_for_work();
}

Result<void> Device::lock_within(std::chrono::milliseconds limit) {
    stuck_ = !lock_->try_lock_until(std::chrono::steady_clock::now() + limit);
    if (!stuck_) return {};
    return Error{
        fmt::format("device \"{}\" cannot hold still: a callback of it, or of a device that it is linked "
                    "to, has not returned for {}",
                    slot_->id, limit),
        "its code hangs: look at it with a debugger"};
}

void Device::add_in_flight(std::weak_ptr<InFlight> work) {
    const std::lock_guard guard(mutex_);
    std::erase_if(in_flight_, [](const auto& each) { return each.expired(); });
    in_flight_.push_back(std::move(work));
}

std::string Device::wait_until_still(std::optional<std::chrono::milliseconds> limit) {
    std::vector<std::weak_ptr<InFlight>> all;
    {
        const std::lock_guard guard(mutex_);
        all = in_flight_;
    }
    std::string running;
    for (const auto& weak : all) {
        const auto work = weak.lock();
        if (work == nullptr || work->wait_until_still(limit)) continue;
        running += (running.empty() ? "" : ", ") + work->running();
        limit = std::chrono::milliseconds(0); // all together have as long as one
    }
    return running;
}

Error Device::too_slow(const std::string& running, std::chrono::milliseconds limit) {
    late_ = true;
    return Error{
        fmt::format("device \"{}\" cannot hold still: {} did not end within {}", slot_->id, running, limit),
        "look at its backend: a disk or file system may hang"};
}

void Device::report_quiesced() {
    const std::lock_guard guard(mutex_);
    Phase expected = Phase::draining;
    if (phase_.compare_exchange_strong(expected, Phase::quiesced)) quiesced_.notify_all();
}

void Device::resume() {
    const std::lock_guard guard(*lock_);
    if (phase() == Phase::running) return;
    late_ = false;
    if (binding_.type->resume != nullptr)
        protect("resume", [&] { binding_.type->resume(binding_.instance); });
    services_.events.settle(*this);
    end_hold();
}

// Caller holds the lock.
void Device::end_hold() {
    phase_.store(Phase::running, std::memory_order_release);
    for (const auto& weak : std::exchange(held_, {})) {
        if (const auto held = weak.lock()) held->release();
    }
}

void Device::move_to(IoLoop& loop) {
    const std::lock_guard guard(*lock_);
    if (loop_ == &loop) return;
    loop_ = &loop;
    resources_.move(loop);
}

void Device::reset() {
    const std::lock_guard guard(*lock_);
    if (binding_.type->reset != nullptr) deliver("reset", [&] { binding_.type->reset(binding_.instance); });
}

Result<void> Device::change(std::span<const plugbay_value> values) {
    const auto* table = callbacks<plugbay_live_callbacks>(PLUGBAY_LIVE);
    if (table == nullptr) {
        return Error{"device \"" + slot_->id + "\" declares live properties without " PLUGBAY_LIVE,
                     "this is a defect of its plugin"};
    }
    const std::lock_guard guard(*lock_);
    forget_error();
    note_input(AccessRecord::Kind::input, "a live property");
    const plugbay_status status = ask("a live property", [&] {
        return table->change(binding_.instance, values.data(), static_cast<std::uint32_t>(values.size()));
    });
    if (status != PLUGBAY_OK) return explain("refused new values", status);
    return {};
}

Result<void> Device::connected(std::uint64_t port, const plugbay_link& link,
                               std::span<const plugbay_value> options) {
    const auto* table = callbacks<plugbay_link_callbacks>(PLUGBAY_LINK);
    if (table == nullptr) {
        return Error{"device \"" + slot_->id +
                         "\" declares ports but does not have all " PLUGBAY_LINK " callbacks",
                     "this is a defect of its plugin"};
    }
    const std::lock_guard guard(*lock_);
    forget_error();
    note_input(AccessRecord::Kind::input, "a link that begins");
    const plugbay_status status = ask("connected", [&] {
        return table->connected(binding_.instance, port, &link, options.data(),
                                static_cast<std::uint32_t>(options.size()));
    });
    if (status != PLUGBAY_OK) return explain("refused the link", status);
    return {};
}

void Device::disconnected(std::uint64_t port) {
    const std::lock_guard guard(*lock_);
    deliver("disconnected",
            [&] { callbacks<plugbay_link_callbacks>(PLUGBAY_LINK)->disconnected(binding_.instance, port); });
}

} // namespace plugbay::core
