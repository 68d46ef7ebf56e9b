#include "core/trace/tracer.hpp"

#include "core/base/thread_setup.hpp"
#include "core/machine/device_manager.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace plugbay::core {

namespace {

constexpr std::chrono::milliseconds between_looks(20);

} // namespace

Tracer::~Tracer() {
    for (const std::string& device : traced())
        static_cast<void>(stop(device));
    {
        const std::lock_guard guard(mutex_);
        ending_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

std::shared_ptr<Tracer::Trace> Tracer::find(std::string_view device) const {
    const std::lock_guard guard(mutex_);
    for (const auto& trace : traces_) {
        if (trace->device == device && !trace->tap->ended()) return trace;
    }
    return nullptr;
}

Result<void> Tracer::start(std::string_view device) {
    const auto found = devices_.find_named(device);
    if (!found) return found.error();
    if (find(device) != nullptr) return Error{fmt::format("device \"{}\" is traced already", device)};
    auto trace = std::make_shared<Trace>(std::string(device));
    (*found)->tap(trace->tap);
    const std::lock_guard guard(mutex_);
    traces_.push_back(std::move(trace));
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    return {};
}

Result<void> Tracer::stop(std::string_view device) {
    const auto trace = find(device);
    if (trace == nullptr) {
        const auto found = devices_.find_named(device);
        if (!found) return found.error();
        return Error{fmt::format("device \"{}\" is not traced", device)};
    }
    if (Device* const traced = devices_.find(device)) traced->untap(*trace->tap);
    trace->tap->end("it was asked for");
    return {};
}

std::vector<std::string> Tracer::traced() const {
    const std::lock_guard guard(mutex_);
    std::vector<std::string> ids;
    for (const auto& trace : traces_) {
        if (!trace->tap->ended()) ids.push_back(trace->device);
    }
    return ids;
}

void Tracer::run() {
    set_up_thread("trace");
    std::unique_lock guard(mutex_);
    for (;;) {
        const auto traces = traces_;
        const bool last = ending_;
        guard.unlock();
        std::vector<const Trace*> over;
        for (const auto& trace : traces) {
            if (!drain(*trace)) over.push_back(trace.get());
        }
        guard.lock();
        std::erase_if(traces_,
                      [&](const auto& each) { return std::ranges::find(over, each.get()) != over.end(); });
        if (last) return;
        wake_.wait_for(guard, between_looks, [&] { return ending_; });
    }
}

bool Tracer::drain(Trace& trace) const {
    const auto why = trace.tap->ended(); // before: what was noted until then is read
    AccessRecord record;
    // A ring's worth and no more: others wait, and a guest may write as fast as this reads.
    for (std::size_t i = 0; i < waiting && trace.tap->read(record); ++i) {
        std::uint64_t suppressed = 0;
        if (!trace.limiter.allow(suppressed)) continue;
        const std::uint64_t lost = trace.tap->ring().lost();
        const std::uint64_t left_out = suppressed + lost - std::exchange(trace.lost, lost);
        const std::uint16_t before = std::exchange(trace.build, record.build);
        const auto names = trace.tap->names(record.build);
        listener_.access({.device = trace.device,
                          .record = record,
                          .names = *names,
                          .left_out = left_out,
                          .swapped = before != 0 && before != record.build});
    }
    if (!why) return true;
    listener_.over(trace.device, *why,
                   trace.limiter.take_suppressed() + trace.tap->ring().lost() - trace.lost);
    return false;
}

std::string origin_of(const AccessRecord& record) {
    return record.vcpu == AccessRecord::no_vcpu ? "host" : fmt::format("vcpu{}", record.vcpu);
}

std::string line_of(const TracedAccess& access) {
    constexpr std::uint64_t second = 1'000'000'000;
    const AccessRecord& record = access.record;
    std::string line;
    if (access.left_out != 0) line = fmt::format("{} ({} left out)\n", access.device, access.left_out);
    if (access.swapped) line += fmt::format("{} (another build)\n", access.device);
    line += fmt::format("{} {}.{:09} {} {} {}", access.device, record.time / second, record.time % second,
                        origin_of(record), kind_name(record.kind), access.names.access_name(record));
    if (!is_access(record.kind)) return line;
    return line + " = " + (record.answered ? access.names.value_name(record, record.value) : "fault");
}

} // namespace plugbay::core
