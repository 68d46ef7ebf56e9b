// Methods about what the guest does with devices.
#include "core/control/methods.hpp"
#include "core/trace/tracer.hpp"

#include <fmt/format.h>

namespace plugbay::core {

using nlohmann::json;

json traced_access_schema() {
    return schema::object(
        "",
        {{"device", schema::text("its id")},
         {"time", schema::integer("the guest's clock, in nanoseconds")},
         {"from", schema::text("vcpu0, vcpu1, ...; host: not from a virtual CPU")},
         {"kind", schema::choice("what it is; event: not an access, `region` says what",
                                 {"read", "write", "rdmsr", "wrmsr", "call", "event"})},
         {"region", schema::text("where: ports 0x3f8, memory 0xfed00000, BAR 0, MSR, hypercall")},
         schema::optional("offset", schema::text("in the region; the MSR's index, the call's number")),
         schema::optional("register", schema::text("its name, if the device's type has a register map")),
         schema::optional("fields", schema::text("of the register, with what was written or answered")),
         schema::optional("width", schema::integer("bytes, of ports and memory", 1, 8)),
         schema::optional("value", schema::text("written, or the answer; without it the guest got a fault")),
         schema::optional("nanoseconds", schema::integer("that the device took")),
         {"build", schema::integer("of the device: 1, and one more with each hot swap", 1)},
         schema::optional("left_out", schema::integer("how many came before this one and are not told", 1))});
}

json json_of(const TracedAccess& access) {
    const AccessRecord& record = access.record;
    json all{{"device", access.device},
             {"time", record.time},
             {"from", origin_of(record)},
             {"kind", kind_name(record.kind)},
             {"region", access.names.region_name(record)},
             {"build", record.build}};
    if (access.left_out != 0) all["left_out"] = access.left_out;
    if (!is_access(record.kind)) return all;
    all["offset"] = fmt::format("{:#x}", record.offset);
    all["nanoseconds"] = record.took;
    if (record.width != 0) all["width"] = record.width;
    if (const std::string name = access.names.register_of(record); !name.empty()) all["register"] = name;
    if (!record.answered) return all;
    all["value"] = value_text(record.value, record.width);
    if (const std::string fields = access.names.fields(record, record.value); !fields.empty())
        all["fields"] = fields;
    return all;
}

void add_trace_methods(MethodTable& table) {
    const json device = completed(schema::text("the device"), "devices");
    table.add(Method{
        .name = "trace.start",
        .help = "Tells subscribers of trace.access what the guest does with a device from now on: up to "
                "1000 accesses a second, and how many there were besides. Goes on over hot swaps.",
        .params = schema::object("", {{"device", device}}),
        .result = nothing(),
        .run = [](const ControlTarget& target, const json& params) {
            return done(target.tracer.start(params["device"].get<std::string>()));
        }});
    table.add(Method{.name = "trace.stop",
                     .help = "Ends a trace that trace.start has begun.",
                     .params = schema::object("", {{"device", device}}),
                     .result = nothing(),
                     .run = [](const ControlTarget& target, const json& params) {
                         return done(target.tracer.stop(params["device"].get<std::string>()));
                     }});
    table.add(Method{.name = "trace.list",
                     .help = "Lists the devices that trace.start has begun to trace.",
                     .params = schema::object("", {}),
                     .result = schema::object("", {{"devices", schema::list("them", schema::text("an id"))}}),
                     .run = [](const ControlTarget& target, const json&) -> Result<json> {
                         return json{{"devices", target.tracer.traced()}};
                     }});
}

} // namespace plugbay::core
