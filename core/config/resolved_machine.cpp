#include "core/config/resolved_machine.hpp"

#include "core/config/machine_keys.hpp"
#include <plugbay/abi/property.h>

#include <nlohmann/json.hpp>

#include <algorithm>

namespace plugbay::core {
namespace {

using Json = nlohmann::ordered_json;

void add_values(Json& object, const std::vector<PropertyDescription>& properties,
                const std::vector<PropertyValue>& values) {
    // There may be more values than properties where another build of the type has been swapped in for one of two devices.
    for (std::size_t i = 0; i < std::min(values.size(), properties.size()); ++i) {
        // An empty text may be shorter than one that is given has to be.
        const bool is_text =
            properties[i].kind == PLUGBAY_PROPERTY_STRING || properties[i].kind == PLUGBAY_PROPERTY_PATH;
        if (is_text && !values[i].given && values[i].text.empty()) continue;
        object[properties[i].name] = value_json(properties[i], values[i]);
    }
}

Json boot_json(const BootConfig& boot) {
    Json json{{"kernel", boot.kernel}};
    if (!boot.initrd.empty()) json["initrd"] = boot.initrd;
    json["command_line"] = boot.command_line;
    json["protocol"] = boot.protocol;
    if (boot.protocol == "flat") {
        json["address"] = boot.address;
        json["mode"] = boot.mode;
    }
    return json;
}

Json link_json(const MachineConfig& config, const LinkConfig& link, const TypeCatalog& catalog) {
    const auto frontend = std::ranges::find(config.devices, link.frontend_device, &DeviceConfig::id);
    const PortDescription& port = catalog.find(frontend->type)->ports.at(link.frontend_port);
    Json json{{"id", port.name.empty() ? link.frontend_device : link.frontend_device + "." + port.name}};
    add_values(json, port.options, link.options);
    return json;
}

} // namespace

Json value_json(const PropertyDescription& property, const PropertyValue& value) {
    switch (property.kind) {
    case PLUGBAY_PROPERTY_BOOLEAN:
        return value.number != 0;
    case PLUGBAY_PROPERTY_UNSIGNED:
    case PLUGBAY_PROPERTY_SIZE:
        return value.number;
    case PLUGBAY_PROPERTY_SIGNED:
        return static_cast<std::int64_t>(value.number);
    case PLUGBAY_PROPERTY_CHOICE:
        return property.choices.at(value.number);
    default:
        return value.text;
    }
}

nlohmann::ordered_json resolved_properties(const DeviceConfig& device, const TypeCatalog& catalog) {
    Json json = Json::object();
    add_values(json, catalog.find(device.type)->properties, device.properties);
    return json;
}

nlohmann::ordered_json resolved_machine(const MachineConfig& config, const TypeCatalog& catalog) {
    Json devices = Json::array();
    for (const DeviceConfig& device : config.devices) {
        Json json{{"type", device.type}, {"id", device.id}};
        add_values(json, catalog.find(device.type)->properties, device.properties);
        if (device.link) json["frontend"] = link_json(config, *device.link, catalog);
        devices.push_back(std::move(json));
    }
    Json machine = Json::object();
    // A file's name, which it has by default, may be longer than a name that is given.
    if (config.name.size() <= longest_id) machine["name"] = config.name;
    machine.update({{"memory", config.memory},
                    {"cpus", config.cpus},
                    {"io_threads", config.io_threads},
                    {"on_reset", config.on_reset == OnReset::exit ? "exit" : "restart"},
                    {"boot", boot_json(config.boot)},
                    {"plugins", config.plugins},
                    {"devices", std::move(devices)}});
    return machine;
}

} // namespace plugbay::core
