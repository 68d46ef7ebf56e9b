// Builds on probation: guest accesses go through tables of the core's, which lead to the build's by protect().
#include "core/bus/presence.hpp"
#include "core/device/device.hpp"
#include "core/device/tapped_binding.hpp"

namespace plugbay::core {

namespace {

// An access in which the build crashes, and those that come before another is there, are made again on that one.
template <typename Call>
void on_build(void* instance, const char* where, Call&& call) {
    Device& device = *static_cast<Device*>(instance);
    if (device.protect(where, [&] { call(device.binding()); })) return;
    if (Presence* const presence = Presence::of_this_thread())
        presence->crashed_in(*device.slot().binding.load(std::memory_order_acquire));
}

std::uint64_t read(void* instance, std::uint64_t token, std::uint64_t offset, std::uint32_t width) {
    std::uint64_t value = ~std::uint64_t{0};
    on_build(instance, "a guest's read",
             [&](const Binding& build) { value = build.access->read(build.instance, token, offset, width); });
    return value;
}

void write(void* instance, std::uint64_t token, std::uint64_t offset, std::uint32_t width,
           std::uint64_t value) {
    on_build(instance, "a guest's write",
             [&](const Binding& build) { build.access->write(build.instance, token, offset, width, value); });
}

plugbay_status msr_read(void* instance, std::uint64_t token, std::uint32_t index, std::uint64_t* value) {
    plugbay_status status = PLUGBAY_FAILED;
    on_build(instance, "a guest's rdmsr",
             [&](const Binding& build) { status = build.msr->read(build.instance, token, index, value); });
    return status;
}

plugbay_status msr_write(void* instance, std::uint64_t token, std::uint32_t index, std::uint64_t value) {
    plugbay_status status = PLUGBAY_FAILED;
    on_build(instance, "a guest's wrmsr",
             [&](const Binding& build) { status = build.msr->write(build.instance, token, index, value); });
    return status;
}

// The next build finds what the guest passed, not what one that crashed made of it.
void call(void* instance, std::uint64_t token, plugbay_hypercall_registers* registers) {
    on_build(instance, "a hypercall", [&](const Binding& build) {
        plugbay_hypercall_registers answer = *registers;
        build.hypercall->call(build.instance, token, &answer);
        *registers = answer;
    });
}

constexpr plugbay_access_callbacks access_table{sizeof access_table, 0, &read, &write};
constexpr plugbay_msr_callbacks msr_table{sizeof msr_table, 0, &msr_read, &msr_write};
constexpr plugbay_hypercall_callbacks hypercall_table{sizeof hypercall_table, 0, &call};

} // namespace

void Device::begin_probation(std::function<void()> crashed) {
    tell_crashed_ = std::move(crashed);
    crash_handlers_ = std::make_unique<CrashHandlers>();
    attention_.fetch_or(is_on_probation, std::memory_order_release);
}

void Device::end_probation() {
    if (!on_probation()) return;
    // Who is inside the tables still comes out of them as if nothing had changed.
    const Binding* watched = &watched_;
    if (tapped_ != nullptr) tapped_->lead_to(binding_);
    slot_->binding.compare_exchange_strong(watched, &binding_);
    attention_.fetch_and(~is_on_probation, std::memory_order_release);
    crash_handlers_.reset();
}

void Device::note_crash(int signal, const char* where) {
    int none = 0;
    if (!crashed_.compare_exchange_strong(none, signal, std::memory_order_acq_rel)) return;
    crashed_in_.store(where, std::memory_order_release);
    if (serves() && tell_crashed_) tell_crashed_();
}

std::string Device::crash() const {
    const int signal = crashed_.load(std::memory_order_acquire);
    if (signal == 0) return {};
    const char* const where = crashed_in_.load(std::memory_order_acquire);
    return std::string("it crashed (") + crash_name(signal) + ") in " + (where == nullptr ? "a call" : where);
}

// In create, when the build's tables are known.
void Device::watch_binding() {
    watched_ = {.type = binding_.type,
                .instance = this,
                .access = binding_.access == nullptr ? nullptr : &access_table,
                .msr = binding_.msr == nullptr ? nullptr : &msr_table,
                .hypercall = binding_.hypercall == nullptr ? nullptr : &hypercall_table};
}

} // namespace plugbay::core
