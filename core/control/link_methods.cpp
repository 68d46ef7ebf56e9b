// Methods about links.
#include "core/control/methods.hpp"
#include "core/machine/machine.hpp"

namespace plugbay::core {

using nlohmann::json;

void add_link_methods(MethodTable& table) {
    const json link = schema::object("", {{"interface", schema::text("what both speak")},
                                          {"frontend", schema::text("the frontend's port")},
                                          {"backend", schema::text("the backend's port")}});
    table.add(Method{.name = "links.list",
                     .help = "Lists which backend serves which frontend.",
                     .params = schema::object("", {}),
                     .result = schema::object("", {{"links", schema::list("all", link)}}),
                     .run = [](const ControlTarget& target, const json&) -> Result<json> {
                         json links = json::array();
                         for (const auto& each : target.machine.devices().registry().links()) {
                             const auto& [front, front_port] = each->frontend();
                             const auto& [back, back_port] = each->backend();
                             links.push_back({{"interface", front->type().ports[front_port]->interface},
                                              {"frontend", port_name(*front, front_port)},
                                              {"backend", port_name(*back, back_port)}});
                         }
                         return json{{"links", std::move(links)}};
                     }});
}

} // namespace plugbay::core
