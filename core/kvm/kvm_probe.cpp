#include "core/kvm/kvm_probe.hpp"

#include "core/kvm/probe_programs.hpp"
#include "core/kvm/tiny_guest.hpp"
#include "core/kvm/vcpu_dump.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>

namespace plugbay::core {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t exit_samples = 4000;
constexpr std::uint32_t first_loop_count = 1000;
constexpr std::uint32_t most_loop_count = 1U << 30;
constexpr std::chrono::milliseconds long_enough{20};
constexpr int speed_samples = 5;
constexpr double instructions_per_iteration = 2;

double nanoseconds(Clock::duration duration) {
    return std::chrono::duration<double, std::nano>(duration).count();
}

// Processor time of the calling thread, in nanoseconds: unlike time on the clock it stands still while other
// programs use the processor. Time in the guest counts.
double thread_nanoseconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// What went wrong in a guest that did not report success.
std::string failure(GuardedEnd end, const std::string& last_exit) {
    switch (end) {
    case GuardedEnd::timed_out:
        return "the guest never finished";
    case GuardedEnd::given_up:
        return "the guest never finished and could not be stopped";
    case GuardedEnd::not_started:
        return "this system has no thread for the guest";
    case GuardedEnd::finished:
        break;
    }
    return last_exit;
}

KvmProbeFeature probe_feature(const KvmSystem& system, const FeatureProgram& feature,
                              std::chrono::milliseconds limit) {
    KvmProbeFeature result{feature.name, feature.purpose, false, {}};
    TinyGuest::Options options;
    options.irqchip = feature.irqchip;
    auto guest = TinyGuest::create(system, feature.program, options);
    if (!guest) {
        result.detail = guest.error().text();
        return result;
    }
    if (feature.vector >= 0) {
        if (auto set = (*guest)->set_handler(static_cast<std::uint8_t>(feature.vector), feature.handler);
            !set) {
            result.detail = set.error().text();
            return result;
        }
    }
    std::string last_exit;
    const auto end = run_guarded(
        *guest, 0,
        [&](VcpuExit& exit) {
            const bool reported = exit.kind == VcpuExit::Kind::port_out &&
                                  exit.port.port == probe_result_port && exit.port.size == 1;
            result.works = reported && static_cast<std::uint8_t>(*exit.port.data) == probe_passed;
            if (!result.works) last_exit = reported ? "it ran and did the wrong thing" : describe_exit(exit);
            return false;
        },
        limit);
    if (!result.works) result.detail = failure(end, last_exit);
    return result;
}

// Median time from one exit of `kind` to the next.
std::optional<double> exit_time(const KvmSystem& system, GuestProgram program, VcpuExit::Kind kind,
                                std::chrono::milliseconds limit) {
    auto guest = TinyGuest::create(system, program, {});
    if (!guest) return std::nullopt;
    std::vector<double> samples;
    samples.reserve(exit_samples);
    Clock::time_point last{};
    (void)run_guarded(
        *guest, 0,
        [&](VcpuExit& exit) {
            if (exit.kind != kind) return false;
            const auto now = Clock::now();
            if (last != Clock::time_point{}) samples.push_back(nanoseconds(now - last));
            last = now;
            return samples.size() < exit_samples;
        },
        limit);
    if (samples.size() < exit_samples / 10) return std::nullopt;
    const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
    std::nth_element(samples.begin(), middle, samples.end());
    return *middle;
}

// Doubles the loop until one takes long enough to measure, then keeps the fastest of a few: other programs on
// this machine only ever make it slower.
std::optional<double> speed(const KvmSystem& system, GuestProgram program, double exit_nanoseconds,
                            std::chrono::milliseconds limit) {
    auto guest = TinyGuest::create(system, program, {});
    if (!guest) return std::nullopt;
    std::optional<double> fastest;
    std::uint32_t count = 0;
    int measured = 0;
    double start = 0;
    (void)run_guarded(
        *guest, 0,
        [&](VcpuExit& exit) {
            if (exit.kind != VcpuExit::Kind::port_in || exit.port.size != sizeof count) return false;
            const double taken = thread_nanoseconds() - start - exit_nanoseconds;
            if (count == 0) {
                count = first_loop_count;
            } else if (taken >= nanoseconds(long_enough) || count >= most_loop_count) {
                const double rate = instructions_per_iteration * count / taken * 1e9;
                if (taken > 0) fastest = std::max(fastest.value_or(0), rate);
                if (++measured == speed_samples) return false;
            } else {
                count *= 2;
            }
            std::memcpy(exit.port.data, &count, sizeof count);
            start = thread_nanoseconds();
            return true;
        },
        limit);
    return fastest;
}

void judge(KvmProbeReport& report) {
    for (const auto& info : report.missing_required) {
        report.reasons.push_back(std::string("KVM has no ") + info.name + ": " + info.purpose);
    }
    for (const auto& feature : report.features) {
        if (!feature.works)
            report.reasons.push_back(feature.name + " (Linux needs it for " + feature.purpose +
                                     "): " + feature.detail);
    }
    const bool runs = !report.features.empty() && report.features.front().works;
    report.verdict = !runs                    ? KvmVerdict::none
                     : report.reasons.empty() ? KvmVerdict::full
                                              : KvmVerdict::partial;
}

} // namespace

KvmProbeReport probe_kvm(const KvmProbeOptions& options) {
    KvmProbeReport report;
    const auto system = KvmSystem::open(options.device);
    if (!system) {
        report.reasons.push_back(system.error().message);
        report.hint = system.error().hint;
        return report;
    }
    for (const auto& info : kvm_capabilities()) {
        if (!system->has(info.capability)) {
            (info.required ? report.missing_required : report.missing_optional).push_back(info);
        }
    }
    for (const auto& feature : feature_programs()) {
        report.features.push_back(probe_feature(*system, feature, options.time_limit));
        // Where not even one instruction runs, all others would only wait for their limits.
        if (!report.features.front().works) break;
    }
    if (report.features.front().works) {
        const auto limit = options.time_limit;
        report.port_exit_nanoseconds =
            exit_time(*system, port_exit_program(), VcpuExit::Kind::port_out, limit);
        report.mmio_exit_nanoseconds =
            exit_time(*system, mmio_exit_program(), VcpuExit::Kind::mmio_write, limit);
        const double exit = report.port_exit_nanoseconds.value_or(0);
        report.kernel_instructions_per_second = speed(*system, kernel_speed_program(), exit, limit);
        report.user_instructions_per_second = speed(*system, user_speed_program(), exit, limit);
    }
    judge(report);
    return report;
}

const char* verdict_name(KvmVerdict verdict) {
    switch (verdict) {
    case KvmVerdict::none:
        return "none";
    case KvmVerdict::partial:
        return "partial";
    case KvmVerdict::full:
        return "full";
    }
    return "none";
}

} // namespace plugbay::core
