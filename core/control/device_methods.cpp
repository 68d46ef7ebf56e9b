// Methods about devices.
#include "core/config/additions.hpp"
#include "core/config/resolved_machine.hpp"
#include "core/control/methods.hpp"
#include "core/device/state_json.hpp"
#include "core/machine/device_tree.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/running_catalog.hpp"

#include <plugbay/abi/property.h>

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

namespace plugbay::core {

using nlohmann::json;

namespace {

constexpr std::uint64_t most_elements_told = 256; // of one field of a state

json port_schema() {
    return schema::object("",
                          {{"name", schema::text("by which others connect to it")},
                           {"interface", schema::text("what it speaks, \"blk/1\"")},
                           {"role", schema::choice("which end it is", {"frontend", "backend"})},
                           schema::optional("peer", schema::text("the other end's name, when connected"))});
}

json device_schema() {
    return schema::object(
        "", {{"id", schema::text("its id")},
             {"type", schema::text("its device type")},
             {"plugin", schema::text("the file that it comes from")},
             {"phase",
              schema::choice("where it stands in its life", {"creating", "quiesced", "draining", "running"})},
             {"ports", schema::list("its ports", port_schema())},
             {"buses", schema::list("devices on whose PCI buses it is", schema::text("an id"))},
             {"resources", schema::list("what it holds, oldest first", schema::text(""))}});
}

Result<json> show(const ControlTarget& target, const json& params) {
    const auto& id = params["id"].get_ref<const std::string&>();
    const DeviceTree tree = describe(target.machine.devices());
    for (const auto& node : tree.devices) {
        if (node.id != id) continue;
        const ListCatalog catalog({*RunningCatalog::of(*target.machine.devices().find(id))});
        const auto configs = target.machine.devices().configs();
        const auto config = std::ranges::find(configs, id, &DeviceConfig::id);
        json all = node_json(node);
        all["properties"] = resolved_properties(*config, catalog);
        json& live = all["live"] = json::array();
        for (const PropertyDescription& property : catalog.find(config->type)->properties) {
            if ((property.flags & PLUGBAY_PROPERTY_LIVE) != 0) live.push_back(property.name);
        }
        return all;
    }
    return target.machine.devices().find_named(id).error();
}

// The device is held for a moment.
Result<json> state(const ControlTarget& target, const json& params) {
    constexpr std::chrono::seconds limit(5);
    auto bytes = target.machine.devices().snapshot(params["id"].get<std::string>(), limit);
    if (!bytes) return std::move(bytes).error();
    std::string why;
    const auto image = StateImage::parse(*std::move(bytes), why);
    if (!image) return Error{why};
    return json{{"type", image->type()},
                {"version", image->version()},
                {"fields", state_fields_json(*image, most_elements_told)}};
}

Result<json> add(const ControlTarget& target, const json& params) {
    target.device_types.refresh(); // its author may have built it just now
    const auto present = target.machine.devices().configs();
    auto checked = validate_devices(params["devices"].dump(), params.value("directory", ""), present,
                                    AdditionCatalog(target.device_types, target.machine.devices()));
    if (!checked.diagnostics.empty()) return error_of(checked.diagnostics);
    return done(target.machine.add_devices(checked.devices));
}

Result<json> set(const ControlTarget& target, const json& params) {
    DeviceManager& devices = target.machine.devices();
    const auto& id = params["id"].get_ref<const std::string&>();
    const auto device = devices.find_named(id);
    if (!device) return device.error();
    const TypeDescription* const type = RunningCatalog::of(**device);
    const auto change = validate_property(params["property"].get<std::string>(), params["value"].dump(),
                                          params.value("directory", ""), *type);
    if (!change.diagnostics.empty()) return error_of(change.diagnostics);
    return done(devices.set_property(id, change.property, change.value));
}

Result<json> remove(const ControlTarget& target, const json& params) {
    const auto& id = params["id"].get_ref<const std::string&>();
    const bool with_dependents = params.value("dependents", false);
    if (params.value("force", false)) {
        auto removed = target.machine.remove_device(id, with_dependents);
        if (!removed) return std::move(removed).error();
        return json{{"state", "removed"}};
    }
    auto asked = target.machine.unplug_device(id, with_dependents);
    if (!asked) return std::move(asked).error();
    return json{{"state", "asked"}};
}

} // namespace

void add_device_methods(MethodTable& table) {
    const json id = completed(schema::text("the device"), "devices");
    const json by_id = schema::object("", {{"id", id}});
    json shown = device_schema();
    shown["properties"]["properties"] =
        schema::map("what it was made with, or what they are now", schema::anything("a value"));
    shown["properties"]["live"] = schema::list("properties that devices.set changes", schema::text("a name"));
    table.add(Method{.name = "devices.list",
                     .help = "Lists all devices, oldest first.",
                     .params = schema::object("", {}),
                     .result = schema::object("", {{"devices", schema::list("all", device_schema())}}),
                     .run = [](const ControlTarget& target, const json&) -> Result<json> {
                         json devices = json::array();
                         for (const auto& node : describe(target.machine.devices()).devices)
                             devices.push_back(node_json(node));
                         return json{{"devices", std::move(devices)}};
                     }});
    table.add(Method{
        .name = "devices.tree",
        .help = "Draws devices, links and resources.",
        .params = schema::object(
            "", {schema::optional("format", schema::choice("for people, or for `dot`; \"text\" without it",
                                                           {"text", "graphviz"}))}),
        .result = schema::object("", {{"tree", schema::text("the drawing")}}),
        .run = [](const ControlTarget& target, const json& params) -> Result<json> {
            const DeviceTree tree = describe(target.machine.devices());
            const bool graphviz = params.value("format", "text") == "graphviz";
            return json{{"tree", graphviz ? tree_graphviz(tree) : tree_text(tree)}};
        }});
    table.add(Method{.name = "devices.show",
                     .help = "Tells all about one device.",
                     .params = by_id,
                     .result = shown,
                     .run = &show});
    const json field = schema::object(
        "", {{"name", schema::text("the field's")},
             {"kind", schema::choice("of its values", {"boolean", "u8", "u16", "u32", "u64", "i64", "text"})},
             {"optional", schema::boolean("builds that do not know it skip it")},
             {"count", schema::integer("of values")},
             {"value", schema::anything("it; the first of them where there are several")}});
    table.add(Method{.name = "devices.state",
                     .help = "Tells the fields of a device's state; the device is held for a moment.",
                     .params = by_id,
                     .result = schema::object(
                         "", {{"type", schema::text("the device type")},
                              {"version", schema::integer("of the state")},
                              {"fields", schema::list("in the order in which they are saved", field)}}),
                     .run = &state});
    table.add(Method{
        .name = "devices.add",
        .help = "Adds devices, all or none; the guest is told of those on a bus with hot plug.",
        .params = schema::object(
            "",
            {{"devices",
              schema::list("as in a machine file; they may link to each other and to those that are there",
                           schema::map("one device", schema::anything("a property")))},
             schema::optional("directory", directory_schema())}),
        .result = nothing(),
        .run = &add});
    table.add(Method{.name = "devices.set",
                     .help = "Changes a property of a device that may change while the machine runs.",
                     .params = schema::object("", {{"id", id},
                                                   {"property", schema::text("its name")},
                                                   {"value", schema::anything("as in a machine file")},
                                                   schema::optional("directory", directory_schema())}),
                     .result = nothing(),
                     .run = &set});
    table.add(Method{
        .name = "devices.remove",
        .help = "Removes a device. One on a bus with hot plug is removed when the guest has let go of it: "
                "the answer "
                "is \"asked\" then, and the event device.removed comes later, or never.",
        .params = schema::object(
            "", {{"id", id},
                 schema::optional("dependents", schema::boolean("also what cannot work without it")),
                 schema::optional("force",
                                  schema::boolean("without asking the guest, as if it had been torn out; "
                                                  "even if what it has in flight does not end"))}),
        .result = schema::object("", {{"state", schema::choice("what came of it", {"asked", "removed"})}}),
        .run = &remove});
    table.add(Method{.name = "devices.reset",
                     .help = "Puts one device back to power-on.",
                     .params = by_id,
                     .result = nothing(),
                     .run = [](const ControlTarget& target, const json& params) {
                         return done(target.machine.devices().reset(params["id"].get<std::string>()));
                     }});
}

} // namespace plugbay::core
