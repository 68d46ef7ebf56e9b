// Methods about the log.
#include "core/base/log.hpp"
#include "core/control/methods.hpp"

#include <spdlog/common.h>

namespace plugbay::core {

using nlohmann::json;

void add_log_methods(MethodTable& table) {
    const json level = schema::choice("what is told, and what is worse",
                                      {"trace", "debug", "info", "warning", "error", "off"});
    const json entry = schema::object("", {{"name", schema::text("a subsystem, or a device's id")},
                                           {"device", schema::boolean("whether it is a device")},
                                           {"level", level}});
    table.add(Method{.name = "log.levels",
                     .help = "Lists the levels of the log's subsystems and devices.",
                     .params = schema::object("", {}),
                     .result = schema::object("", {{"levels", schema::list("all", entry)}}),
                     .run = [](const ControlTarget&, const json&) -> Result<json> {
                         json levels = json::array();
                         for (const LogLevelEntry& each : log_levels()) {
                             const auto name = spdlog::level::to_string_view(each.level);
                             levels.push_back({{"name", each.name},
                                               {"device", each.device},
                                               {"level", std::string(name.data(), name.size())}});
                         }
                         return json{{"levels", std::move(levels)}};
                     }});
    table.add(Method{
        .name = "log.set",
        .help = "Changes what the log tells, of one subsystem or device, or of all that have no level of "
                "their own.",
        .params = schema::object(
            "", {{"level", level}, schema::optional("name", schema::text("a subsystem, or a device's id"))}),
        .result = nothing(),
        .run = [](const ControlTarget&, const json& params) {
            const auto wanted = spdlog::level::from_str(params["level"].get<std::string>());
            return done(set_log_level(params.value("name", ""), wanted));
        }});
}

} // namespace plugbay::core
