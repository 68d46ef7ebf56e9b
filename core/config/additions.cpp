#include "core/config/additions.hpp"

#include "core/base/nearest_name.hpp"
#include "core/config/device_reader.hpp"
#include "core/config/source_text.hpp"

#include <plugbay/abi/property.h>

#include <algorithm>

#include <utility>

namespace plugbay::core {

namespace {

// The devices that are new, or why they cannot be.
Additions finish(Reporter& reporter, std::vector<CheckedDevice> checked) {
    Additions result{.devices = {}, .diagnostics = reporter.take()};
    if (!result.diagnostics.empty()) return result;
    for (CheckedDevice& device : checked) {
        if (device.node != nullptr) result.devices.push_back(std::move(device.config));
    }
    return result;
}

} // namespace

Additions validate_devices(const std::string& text, const std::filesystem::path& directory,
                           std::span<const DeviceConfig> present, const TypeCatalog& catalog) {
    const MachineDocument document = parse_machine_text(text, "devices", directory);
    Reporter reporter(document.file, document.source, document.overrides);
    reporter.keep(document.diagnostics);
    if (!document.root) return finish(reporter, {});
    const ReadContext context{reporter, document.directory, document.override_directory};
    if (document.root->kind != LocatedValue::Kind::array) {
        report_wrong_kind(context, *document.root, "devices", "a list of devices");
        return finish(reporter, {});
    }
    auto checked = read_devices(context, *document.root, catalog, present);
    read_links(context, checked, catalog);
    return finish(reporter, std::move(checked));
}

Additions validate_link(const std::string& text, const DeviceConfig& backend,
                        std::span<const DeviceConfig> present, const TypeCatalog& catalog) {
    const MachineDocument document = parse_machine_text("{ \"frontend\": " + text + " }", "link", {});
    Reporter reporter(document.file, document.source, document.overrides);
    reporter.keep(document.diagnostics);
    if (!document.root) return finish(reporter, {});
    const ReadContext context{reporter, document.directory, document.override_directory};
    std::vector<CheckedDevice> checked;
    for (const DeviceConfig& each : present) {
        const bool meant = each.id == backend.id;
        checked.push_back({.node = meant ? &*document.root : nullptr,
                           .path = meant ? each.id : std::string(),
                           .type = catalog.find_present(each.id, each.type),
                           .config = each});
    }
    read_links(context, checked, catalog);
    return finish(reporter, std::move(checked));
}

PropertyChange validate_property(const std::string& name, const std::string& text,
                                 const std::filesystem::path& directory, const TypeDescription& type) {
    const MachineDocument document = parse_machine_text("{ \"value\": " + text + " }", "property", directory);
    Reporter reporter(document.file, document.source, document.overrides);
    reporter.keep(document.diagnostics);
    PropertyChange change;
    const auto names = names_of(type.properties);
    const auto place = std::ranges::find(names, name);
    if (place == names.end()) {
        reporter.report({.kind = DiagnosticKind::unknown_key,
                         .path = name,
                         .message = type.name + " has no property " + in_quotes(name),
                         .found = name,
                         .nearest = nearest_name(name, names),
                         .valid = names});
    } else if (document.root) {
        change.property = static_cast<std::size_t>(place - names.begin());
        const PropertyDescription& property = type.properties[change.property];
        const ReadContext context{reporter, document.directory, document.override_directory};
        if ((property.flags & PLUGBAY_PROPERTY_LIVE) == 0) {
            reporter.report({.kind = DiagnosticKind::misplaced_key,
                             .path = name,
                             .message = in_quotes(name) + " does not change while the machine runs"});
        } else if (auto value = read_value(context, property, document.root->find("value")->value, name)) {
            change.value = std::move(*value);
        }
    }
    change.diagnostics = reporter.take();
    return change;
}

} // namespace plugbay::core
