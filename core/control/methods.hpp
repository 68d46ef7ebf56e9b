// The groups of methods, one .cpp each; control_methods() puts them together.
#pragma once

#include "core/config/diagnostic.hpp"
#include "core/control/method.hpp"

#include <span>

namespace plugbay::core {

void add_machine_methods(MethodTable& table);
void add_device_methods(MethodTable& table);
void add_link_methods(MethodTable& table);
void add_debug_methods(MethodTable& table);
void add_log_methods(MethodTable& table);
void add_statistics_methods(MethodTable& table);
// `describe`, `events.subscribe`, and the events.
void add_session_methods(MethodTable& table);

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
