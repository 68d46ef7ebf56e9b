// Methods about what the machine does and how long it takes.
#include "core/bus/access_counts.hpp"
#include "core/control/methods.hpp"
#include "core/device/device_numbers.hpp"
#include "core/machine/machine.hpp"

#include <algorithm>
#include <cstdint>
#include <span>

namespace plugbay::core {

using nlohmann::json;

namespace {

// JSON Schema's integers end where int64_t does.
std::int64_t json_number(std::uint64_t value) {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(value, INT64_MAX));
}

// The buckets of all, up to the last that is not empty.
json sum_of(std::span<const LatencyHistogram* const> histograms) {
    json buckets = json::array();
    std::size_t used = 0;
    for (std::size_t number = 0; number < LatencyHistogram::bucket_count; ++number) {
        std::uint64_t sum = 0;
        for (const LatencyHistogram* each : histograms)
            sum += each->bucket(number);
        buckets.push_back(json_number(sum));
        if (sum != 0) used = number + 1;
    }
    buckets.erase(buckets.begin() + static_cast<std::ptrdiff_t>(used), buckets.end());
    return buckets;
}

json json_of(const PauseRecord& pauses) {
    return {{"count", json_number(pauses.count)},
            {"total_nanoseconds", json_number(pauses.total)},
            {"last_nanoseconds", json_number(pauses.last)},
            {"longest_nanoseconds", json_number(pauses.longest)}};
}

json json_of(const VcpuCounts& counts, std::uint32_t index) {
    json exits = json::object();
    for (std::size_t kind = 0; kind < counts.exits.size(); ++kind)
        exits[std::string(exit_kind_names[kind])] = json_number(counts.exits[kind].value());
    const LatencyHistogram* const handling = &counts.handling;
    return {{"index", index}, {"exits", std::move(exits)}, {"handling", sum_of({&handling, 1})}};
}

json json_of(Device& device) {
    std::vector<const LatencyHistogram*> latencies;
    for (const AccessCounts& counts : device.slot().counts)
        latencies.push_back(&counts.latency);
    const auto accesses = [&](AccessKind kind) {
        std::uint64_t sum = 0;
        for (const AccessCounts& counts : device.slot().counts)
            sum += counts.of(kind);
        return json_number(sum);
    };
    json numbers = json::object();
    json levels = json::array();
    for (const DeviceNumber& number : read_numbers(device)) {
        numbers[number.name] = json_number(number.value);
        if (number.level) levels.push_back(number.name);
    }
    const DeviceCounts& counts = device.counts();
    return {{"id", device.id()},
            {"reads", accesses(AccessKind::read)},
            {"writes", accesses(AccessKind::write)},
            {"calls", accesses(AccessKind::call)},
            {"interrupts", json_number(counts.interrupts.value())},
            {"doorbells", json_number(counts.doorbells.value())},
            {"timers", json_number(counts.timers.value())},
            {"descriptors", json_number(counts.descriptors.value())},
            {"held_back", json_number(counts.held_back.value())},
            {"latency", sum_of(latencies)},
            {"pauses", json_of(device.pauses())},
            {"numbers", std::move(numbers)},
            {"levels", std::move(levels)}};
}

json histogram_schema(std::string_view help) {
    return schema::list(
        std::string(help) +
            "; while measuring is on. How many took 0 ns, 1 ns, 2 to 3 ns, 4 to 7 ns and so on; "
            "buckets after the last that is not empty are left out",
        schema::integer(""));
}

json pauses_schema(std::string_view help) {
    return schema::object(help, {{"count", schema::integer("how many are over")},
                                 {"total_nanoseconds", schema::integer("all together")},
                                 {"last_nanoseconds", schema::integer("the last")},
                                 {"longest_nanoseconds", schema::integer("the longest")}});
}

json vcpu_schema() {
    return schema::object(
        "", {{"index", schema::integer("its number")},
             {"exits", schema::map("how often it left the guest, by reason", schema::integer(""))},
             {"handling", histogram_schema("how long the monitor took before the guest went on")}});
}

json device_schema() {
    return schema::object(
        "", {{"id", schema::text("its id")},
             {"reads", schema::integer("of its ports, memory and MSRs")},
             {"writes", schema::integer("likewise, but for those that ring doorbells")},
             {"calls", schema::integer("hypercalls")},
             {"interrupts", schema::integer("lines and pins that went high, MSI-X messages")},
             {"doorbells", schema::integer("times that it was told of rung doorbells")},
             {"timers", schema::integer("timers that expired")},
             {"descriptors", schema::integer("times that a descriptor was ready")},
             {"held_back", schema::integer("events that waited until it was resumed")},
             {"latency", histogram_schema("how long guest accesses took in the device's code")},
             {"pauses", pauses_schema("while guest accesses to it had to wait for a change")},
             {"numbers", schema::map("what it tells of itself, by name", schema::integer(""))},
             {"levels",
              schema::list("those of the numbers that rise and fall; others only grow", schema::text(""))}});
}

Result<json> statistics(const ControlTarget& target, const json& params) {
    Machine& machine = target.machine;
    json devices = json::array();
    if (params.contains("device")) {
        const auto device = machine.devices().find_named(params["device"].get_ref<const std::string&>());
        if (!device) return device.error();
        devices.push_back(json_of(**device));
    } else {
        for (const auto& device : machine.devices().devices())
            devices.push_back(json_of(*device));
    }
    json vcpus = json::array();
    for (std::uint32_t index = 0; index < machine.config().cpus; ++index)
        vcpus.push_back(json_of(machine.vcpu_counts(index), index));
    return json{{"host_nanoseconds", json_number(IoLoop::now())},
                {"guest_nanoseconds", json_number(machine.guest_time())},
                {"measuring", machine.measuring()},
                {"vcpus", std::move(vcpus)},
                {"devices", std::move(devices)},
                {"pauses", json_of(machine.pauses())}};
}

} // namespace

void add_statistics_methods(MethodTable& table) {
    table.add(Method{
        .name = "stats",
        .help =
            "Tells what was counted since the machine was made. Counts only grow, over resets too: of two "
            "answers the difference, divided by that of their times, is a rate.",
        .params = schema::object(
            "", {schema::optional("device", completed(schema::text("the one; all without it"), "devices"))}),
        .result = schema::object(
            "", {{"host_nanoseconds", schema::integer("the host's monotonic clock")},
                 {"guest_nanoseconds", schema::integer("that the guest has run, without pauses")},
                 {"measuring", schema::boolean("whether times are measured, see stats.measure")},
                 {"vcpus", schema::list("all virtual CPUs", vcpu_schema())},
                 {"devices", schema::list("oldest first", device_schema())},
                 {"pauses", pauses_schema("while all virtual CPUs stood still")}}),
        .run = &statistics});
    table.add(
        Method{.name = "stats.measure",
               .help = "Begins or ends measuring how long exits and accesses take, which slows each by some "
                       "nanoseconds. What was measured before stays.",
               .params = schema::object("", {{"on", schema::boolean("measure from now on")}}),
               .result = nothing(),
               .run = [](const ControlTarget& target, const json& params) -> Result<json> {
                   target.machine.measure(params["on"].get<bool>());
                   return json::object();
               }});
}

} // namespace plugbay::core
