// Methods about links.
#include "core/base/nearest_name.hpp"
#include "core/config/additions.hpp"
#include "core/control/methods.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/running_catalog.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <utility>
#include <vector>

namespace plugbay::core {

using nlohmann::json;

namespace {

Result<const Link*> find_link(const DeviceManager& devices, const std::string& port) {
    std::vector<std::string> names;
    for (const auto& link : devices.registry().links()) {
        for (const Link::End& end : {link->frontend(), link->backend()}) {
            names.push_back(port_name(*end.device, end.port));
            if (names.back() == port) return link.get();
        }
    }
    const std::string near = nearest_name(port, names);
    return Error{fmt::format("no port \"{}\" is connected", port),
                 near.empty() ? "\"links.list\" lists those that are" : "did you mean \"" + near + "\"?"};
}

Result<json> connect(const ControlTarget& target, const json& params) {
    DeviceManager& devices = target.machine.devices();
    const auto& backend = params["backend"].get_ref<const std::string&>();
    const auto& frontend = params["frontend"].get_ref<const std::string&>();
    const auto found = devices.find_named(backend);
    if (!found) return found.error();
    const auto present = devices.configs();
    const auto config = std::ranges::find(present, backend, &DeviceConfig::id);
    if (config->link) {
        return Error{fmt::format("\"{}\" is connected to \"{}\"", backend, config->link->frontend_device),
                     "disconnect it first"};
    }
    json connection = params.value("options", json::object());
    connection["id"] = frontend;
    auto checked =
        validate_link(connection.dump(), *config, present, AdditionCatalog(target.device_types, devices));
    if (!checked.diagnostics.empty()) return error_of(checked.diagnostics);
    const LinkConfig& link = *checked.devices.front().link;
    return done(devices.connect(backend, link.backend_port, frontend, link.options));
}

Result<json> disconnect(const ControlTarget& target, const json& params) {
    const auto link = find_link(target.machine.devices(), params["port"].get<std::string>());
    if (!link) return link.error();
    const Link::End end = (*link)->backend();
    return done(target.machine.devices().disconnect(end.device->id(), end.port));
}

// The new backend first: when it cannot be, the old one serves on.
Result<json> replace(const ControlTarget& target, const json& params) {
    DeviceManager& devices = target.machine.devices();
    const auto& frontend = params["frontend"].get_ref<const std::string&>();
    const auto link = find_link(devices, frontend);
    if (!link) return link.error();
    const Link::End old = (*link)->backend();
    const std::string old_id = old.device->id();
    auto present = devices.configs();
    const auto old_config = std::ranges::find(present, old_id, &DeviceConfig::id);
    const LinkConfig old_link = *old_config->link;
    old_config->link.reset();
    json device = params["device"];
    if (!device.contains("frontend")) device["frontend"] = {{"id", frontend}};
    target.device_types.refresh(); // the new device's author may have built it just now
    auto checked = validate_devices(json::array({device}).dump(), params.value("directory", ""), present,
                                    AdditionCatalog(target.device_types, devices));
    if (!checked.diagnostics.empty()) return error_of(checked.diagnostics);
    const auto& new_link = checked.devices.front().link;
    if (!new_link || new_link->frontend_device != old_link.frontend_device ||
        new_link->frontend_port != old_link.frontend_port) {
        return Error{fmt::format("the new device's \"frontend\" is not \"{}\"", frontend),
                     "leave it out; nothing was changed"};
    }
    if (auto ended = devices.disconnect(old_id, old.port); !ended) return std::move(ended).error();
    const auto serve_on = [&](Error why) -> Error {
        auto again = devices.connect(old_id, old.port, frontend, old_link.options);
        if (!again)
            return with_context("the old backend cannot be connected again either", std::move(again).error());
        return why;
    };
    // Only without its link is it known who else needs it, and only before the new one is there is it of use to know.
    if (auto removable = devices.removable(old_id, false); !removable)
        return serve_on(std::move(removable).error());
    if (auto added = target.machine.add_devices(checked.devices); !added)
        return serve_on(std::move(added).error());
    auto removed = target.machine.remove_device(old_id, false);
    if (!removed) return std::move(removed).error();
    return json{{"removed", old_id}};
}

} // namespace

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
    table.add(Method{.name = "links.connect",
                     .help = "Has a backend serve a frontend.",
                     .params = schema::object(
                         "", {{"backend", completed(schema::text("the backend's device"), "devices")},
                              {"frontend", completed(schema::text("the frontend's port"), "frontends")},
                              schema::optional("options", schema::map("of the frontend's port",
                                                                      schema::anything("a value")))}),
                     .result = nothing(),
                     .run = &connect});
    table.add(Method{
        .name = "links.disconnect",
        .help = "Ends a link. Both devices stay.",
        .params = schema::object("", {{"port", completed(schema::text("the port at either end"), "ports")}}),
        .result = nothing(),
        .run = &disconnect});
    table.add(Method{
        .name = "links.replace",
        .help =
            "Puts a new backend in the place of the one that serves a frontend, such as another disk "
            "image, and "
            "removes that one. When the new one cannot be made or the old one not be removed, the old one "
            "serves on.",
        .params = schema::object(
            "",
            {{"frontend", completed(schema::text("the frontend's port"), "frontends")},
             {"device", schema::map("the new backend, as in a machine file; its \"frontend\" may be left out",
                                    schema::anything("a property"))},
             schema::optional("directory", directory_schema())}),
        .result = schema::object("", {{"removed", schema::text("id of the old backend")}}),
        .run = &replace});
}

} // namespace plugbay::core
