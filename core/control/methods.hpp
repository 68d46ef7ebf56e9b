// The groups of methods, one .cpp each; control_methods() puts them together.
#pragma once

#include "core/config/diagnostic.hpp"
#include "core/control/method.hpp"
#include "core/hotswap/hot_swap.hpp"
#include "core/hotswap/shadow.hpp"
#include "core/trace/tracer.hpp"

#include <span>

namespace plugbay::core {

void add_machine_methods(MethodTable& table);
void add_device_methods(MethodTable& table);
void add_link_methods(MethodTable& table);
void add_input_methods(MethodTable& table);
void add_debug_methods(MethodTable& table);
void add_log_methods(MethodTable& table);
void add_statistics_methods(MethodTable& table);
void add_shadow_methods(MethodTable& table);
void add_swap_methods(MethodTable& table);
void add_checkpoint_methods(MethodTable& table);
void add_send_methods(MethodTable& table);
void add_trace_methods(MethodTable& table);
// `describe`, `events.subscribe`, and the events.
void add_session_methods(MethodTable& table);

// A parameter, or a list's element, that names one of what there is: `plugbay ctl` completes it. `what` is "devices", "ports",
// "frontends" or "backends".
[[nodiscard]] inline nlohmann::json completed(nlohmann::json schema, std::string_view what) {
    schema["x-completes"] = what;
    return schema;
}

// What paths of devices are relative to. `plugbay ctl` gives the folder in which it was called.
[[nodiscard]] inline nlohmann::json directory_schema() {
    nlohmann::json schema =
        schema::text("what paths are relative to; the monitor's working directory without it");
    schema["x-default"] = "working directory";
    return schema;
}

// What became of a swap, for `swap`, `swap.report` and the event swap.over.
[[nodiscard]] nlohmann::json swap_report_schema();
[[nodiscard]] nlohmann::json json_of(const SwapReport& report);

// What became of a shadow, for `shadow.report` and the event shadow.over.
[[nodiscard]] nlohmann::json shadow_report_schema();
[[nodiscard]] nlohmann::json json_of(const ShadowReport& report);

// One access to a device that is traced, for the event trace.access.
[[nodiscard]] nlohmann::json traced_access_schema();
[[nodiscard]] nlohmann::json json_of(const TracedAccess& access);

// What a method gives that only does something: an empty object.
[[nodiscard]] inline nlohmann::json nothing() {
    return schema::object("nothing", {});
}
[[nodiscard]] inline Result<nlohmann::json> done(const Result<void>& result) {
    if (!result) return result.error();
    return nlohmann::json::object();
}
// All that is wrong with what was to be added, in one.
[[nodiscard]] Error error_of(std::span<const Diagnostic> diagnostics);

} // namespace plugbay::core
