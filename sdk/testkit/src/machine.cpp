#include "machine.hpp"

#include <plugbay/testkit/error.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>

namespace plugbay::testkit::detail {

Machine::Machine(const BenchOptions& bench_options)
    : options(bench_options),
      ram(bench_options.memory, bench_options.memory_above_4gb, bench_options.memory_file),
      guest_time(bench_options.guest_time),
      // Neither zero nor the guest's time, so that a device that confuses clocks is found out.
      host_time(1'000'000'000'000) {}

Machine::~Machine() {
    {
        std::unique_lock lock(mutex_);
        try {
            if (running) quiesce(std::chrono::seconds(2));
        } catch (const std::exception& error) {
            std::fprintf(stderr, "plugbay-testkit: while ending a bench: %s\n", error.what());
        }
        while (!connections.empty())
            disconnect(*connections.back());
        while (!devices.empty())
            destroy(*devices.back());
    }
    if (violations.size() == violations_thrown) return;
    for (std::size_t i = violations_thrown; i < violations.size(); ++i)
        std::fprintf(stderr, "plugbay-testkit: contract violation that no call reported: %s\n",
                     violations[i].c_str());
    if (options.strict && std::uncaught_exceptions() == 0) std::abort();
}

Machine::Callback::Callback(Machine& machine, DeviceRecord& device, const char* name) : machine_(machine) {
    machine.frames_.push_back({&device, name});
    machine.thread_ = std::this_thread::get_id();
    machine.mutex_.unlock();
}

Machine::Callback::~Callback() {
    machine_.mutex_.lock();
    machine_.frames_.pop_back();
}

void Machine::violation(const DeviceRecord* device, const std::string& text) {
    std::string whole = device == nullptr ? "" : "device \"" + device->id + "\": ";
    whole += text;
    if (!frames_.empty())
        whole += std::string(" (in ") + frames_.back().name + " of \"" + frames_.back().device->id + "\")";
    violations.push_back(whole);
}

void Machine::throw_violations() {
    if (!options.strict || !frames_.empty() || violations_thrown == violations.size()) return;
    std::string text;
    for (; violations_thrown < violations.size(); ++violations_thrown)
        text += (text.empty() ? "" : "\n") + violations[violations_thrown];
    throw ContractViolation(text);
}

void Machine::require_stopped(const char* what) const {
    if (!frames_.empty())
        throw Error(std::string(what) + " is not possible inside a callback", PLUGBAY_FORBIDDEN);
    if (running || !quiesce_pending().empty())
        throw Error(std::string(what) + " needs a stopped machine: quiesce() first", PLUGBAY_FORBIDDEN);
}

void Machine::require_running(const char* what) const {
    if (!running)
        throw Error(std::string(what) + " needs a running machine: start() or resume() first",
                    PLUGBAY_FORBIDDEN);
}

void Machine::expect_awake(DeviceRecord& device, const std::string& what) {
    ++outside_uses;
    if (!device.started || device.phase == Phase::running || device.phase == Phase::quiescing) return;
    const std::string_view callback = callback_name();
    if (callback == "start" || callback == "resume" || callback == "load") return;
    violation(&device, "touches " + what + " although it is quiesced");
}

} // namespace plugbay::testkit::detail
