// Builds on probation: guest accesses go through tables of the core's, which lead to the build's by protect().
#include "core/bus/presence.hpp"
#include "core/device/device.hpp"

namespace plugbay::core {

namespace {

Device& device_behind(void* instance) {
    return *static_cast<Device*>(instance);
}

// The access in which it crashed, and those that come before another build is there, are made again on that one.
void make_again(Device& device) {
    Presence* const presence = Presence::of_this_thread();
    if (presence != nullptr) presence->crashed_in(*device.slot().binding.load(std::memory_order_acquire));
}

std::uint64_t read(void* instance, std::uint64_t token, std::uint64_t offset, std::uint32_t width) {
    Device& device = device_behind(instance);
    const Binding& build = device.binding();
    std::uint64_t value = ~std::uint64_t{0};
    if (!device.protect("a guest's read",
                        [&] { value = build.access->read(build.instance, token, offset, width); }))
        make_again(device);
    return value;
}

void write(void* instance, std::uint64_t token, std::uint64_t offset, std::uint32_t width,
           std::uint64_t value) {
    Device& device = device_behind(instance);
    const Binding& build = device.binding();
    if (!device.protect("a guest's write",
                        [&] { build.access->write(build.instance, token, offset, width, value); }))
        make_again(device);
}

plugbay_status msr_read(void* instance, std::uint64_t token, std::uint32_t index, std::uint64_t* value) {
    Device& device = device_behind(instance);
    const Binding& build = device.binding();
    plugbay_status status = PLUGBAY_FAILED;
    if (!device.protect("a guest's rdmsr",
                        [&] { status = build.msr->read(build.instance, token, index, value); }))
        make_again(device);
    return status;
}

plugbay_status msr_write(void* instance, std::uint64_t token, std::uint32_t index, std::uint64_t value) {
    Device& device = device_behind(instance);
    const Binding& build = device.binding();
    plugbay_status status = PLUGBAY_FAILED;
    if (!device.protect("a guest's wrmsr",
                        [&] { status = build.msr->write(build.instance, token, index, value); }))
        make_again(device);
    return status;
}

void call(void* instance, std::uint64_t token, plugbay_hypercall_registers* registers) {
    Device& device = device_behind(instance);
    const Binding& build = device.binding();
    if (!device.protect("a hypercall", [&] { build.hypercall->call(build.instance, token, registers); }))
        make_again(device);
}

constexpr plugbay_access_callbacks access_table{sizeof access_table, 0, &read, &write};
constexpr plugbay_msr_callbacks msr_table{sizeof msr_table, 0, &msr_read, &msr_write};
constexpr plugbay_hypercall_callbacks hypercall_table{sizeof hypercall_table, 0, &call};

} // namespace

void Device::begin_probation(std::function<void()> crashed) {
    tell_crashed_ = std::move(crashed);
    crash_handlers_ = std::make_unique<CrashHandlers>();
    on_probation_.store(true, std::memory_order_release);
}

void Device::end_probation() {
    if (!on_probation_) return;
    // Who is inside the tables still comes out of them as if nothing had changed.
    const Binding* watched = &watched_;
    slot_->binding.compare_exchange_strong(watched, &binding_);
    on_probation_.store(false, std::memory_order_release);
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
