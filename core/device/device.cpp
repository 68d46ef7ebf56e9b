#include "core/device/device.hpp"

#include "core/bus/access_bus.hpp"
#include "core/bus/gate.hpp"
#include "core/device/firmware_records.hpp"
#include "core/device/host/host_extensions.hpp"
#include "core/device/status.hpp"
#include "core/pci/pci_bus.hpp"
#include "core/version.hpp"

#include <chrono>
#include <cstddef>
#include <utility>

namespace plugbay::core {

namespace {

// How long a device may take to finish what is in flight. Longer than a disk's own error recovery.
constexpr std::chrono::seconds quiesce_limit{30};

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
    Device::of(host).log().write_text(log_level(level), message == nullptr ? "(null)" : message);
}

void host_set_error(const plugbay_host* host, const char* message) {
    Device::of(host).refuse(PLUGBAY_FAILED, message == nullptr ? "" : message);
}

void host_quiesced(const plugbay_host* host) {
    Device::of(host).report_quiesced();
}

} // namespace

Device::Device(std::string id, LoadedType type, MachineServices& services, IoLoop& loop)
    : log_(id), loaded_(std::move(type)), services_(services), loop_(loop) {
    slot_->id = std::move(id);
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
    return *reinterpret_cast<const HostRecord*>(host)->device;
}

Device::~Device() {
    services_.pci.unplug(*this);
    if (slot_->binding.load() != nullptr) {
        const GateClosed closed(*slot_, services_.bus.presences());
        vacate_slot();
    }
    phase_.store(Phase::quiesced);
    static_cast<void>(wait_until_still(std::nullopt));
    if (binding_.instance != nullptr) {
        const std::lock_guard guard(*lock_);
        binding_.type->destroy(binding_.instance);
    }
    resources_.release_all();
    services_.firmware.remove(slot_->id);
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
        const std::lock_guard guard(*lock_);
        forget_error();
        status = binding_.type->create(&record_.host, values.data(),
                                       static_cast<std::uint32_t>(values.size()), &instance);
    }
    if (status != PLUGBAY_OK) return explain("could not be created", status);
    if (instance == nullptr) return explain("said it was created but gave no instance", PLUGBAY_INVALID);
    binding_.instance = instance;
    binding_.access = callbacks<plugbay_access_callbacks>(PLUGBAY_ACCESS);
    binding_.msr = callbacks<plugbay_msr_callbacks>(PLUGBAY_MSR);
    binding_.hypercall = callbacks<plugbay_hypercall_callbacks>(PLUGBAY_HYPERCALL);
    phase_.store(Phase::quiesced, std::memory_order_release);
    const bool concurrent = (binding_.type->flags & PLUGBAY_DEVICE_CONCURRENT) != 0;
    slot_->lock.store(concurrent ? nullptr : lock_.get(), std::memory_order_release);
    return {};
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
    slot_->binding.store(&binding_, std::memory_order_release);
    return {};
}

Result<void> Device::quiesce() {
    if (phase() != Phase::running) return {};
    plugbay_status status = PLUGBAY_OK;
    {
        const std::lock_guard guard(*lock_);
        forget_error();
        phase_.store(Phase::draining, std::memory_order_release);
        if (binding_.type->quiesce != nullptr) status = binding_.type->quiesce(binding_.instance);
        if (status == PLUGBAY_OK) phase_.store(Phase::quiesced, std::memory_order_release);
    }
    if (status == PLUGBAY_OK) return wait_until_still(quiesce_limit) ? Result<void>() : too_slow();
    if (status != PLUGBAY_PENDING) {
        Error error = explain("could not be quiesced", status);
        resume();
        return error;
    }
    bool over = false;
    {
        std::unique_lock guard(mutex_);
        over = quiesced_.wait_for(guard, quiesce_limit, [&] { return phase() == Phase::quiesced; });
    }
    if (over) {
        {
            // The callback that reported it may still be running.
            const std::lock_guard guard(*lock_);
        }
        return wait_until_still(quiesce_limit) ? Result<void>() : too_slow();
    }
    return too_slow();
}

void Device::add_in_flight(std::weak_ptr<InFlight> work) {
    const std::lock_guard guard(mutex_);
    std::erase_if(in_flight_, [](const auto& each) { return each.expired(); });
    in_flight_.push_back(std::move(work));
}

bool Device::wait_until_still(std::optional<std::chrono::seconds> limit) {
    std::vector<std::weak_ptr<InFlight>> all;
    {
        const std::lock_guard guard(mutex_);
        all = in_flight_;
    }
    bool still = true;
    for (const auto& weak : all) {
        if (const auto work = weak.lock()) still = work->wait_until_still(limit) && still;
    }
    return still;
}

Error Device::too_slow() const {
    return Error{"device \"" + slot_->id + "\" did not finish what it has in flight within " +
                     std::to_string(quiesce_limit.count()) + " s",
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
    if (binding_.type->resume != nullptr) binding_.type->resume(binding_.instance);
    end_hold();
}

// Caller holds the lock.
void Device::end_hold() {
    phase_.store(Phase::running, std::memory_order_release);
    for (const auto& weak : std::exchange(held_, {})) {
        if (const auto held = weak.lock()) held->release();
    }
}

void Device::reset() {
    const std::lock_guard guard(*lock_);
    if (binding_.type->reset != nullptr) binding_.type->reset(binding_.instance);
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
    const plugbay_status status = table->connected(binding_.instance, port, &link, options.data(),
                                                   static_cast<std::uint32_t>(options.size()));
    if (status != PLUGBAY_OK) return explain("refused the link", status);
    return {};
}

void Device::disconnected(std::uint64_t port) {
    const std::lock_guard guard(*lock_);
    callbacks<plugbay_link_callbacks>(PLUGBAY_LINK)->disconnected(binding_.instance, port);
}

} // namespace plugbay::core
