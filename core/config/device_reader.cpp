#include "core/config/device_reader.hpp"

#include "core/base/nearest_name.hpp"
#include "core/config/source_text.hpp"

#include <plugbay/abi/plugin.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace plugbay::core {
namespace {

bool is_good_id(std::string_view id) {
    return !id.empty() && id.size() <= longest_id && std::ranges::all_of(id, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    });
}

// The text of a member, "" when it is not there or is none.
std::string_view text_member(const LocatedValue& object, std::string_view name) {
    const auto* const member = object.find(name);
    if (member == nullptr || member->value.kind != LocatedValue::Kind::text) return {};
    return member->value.text;
}

class DevicesReader {
  public:
    DevicesReader(const ReadContext& context, const TypeCatalog& catalog)
        : context_(context), catalog_(catalog), known_types_(catalog.known_types()) {}

    CheckedDevice present(const DeviceConfig& config) {
        ids_.emplace(config.id, std::nullopt);
        return {.node = nullptr,
                .path = {},
                .type = catalog_.find_present(config.id, config.type),
                .config = config};
    }

    CheckedDevice read(const LocatedValue& node, const std::string& path) {
        CheckedDevice device{.node = &node, .path = path};
        device.config.position = node.position;
        if (node.kind != LocatedValue::Kind::object) {
            report_wrong_kind(context_, node, path, "an object, one device");
            return device;
        }
        const ObjectPlace place{node, path, "a device"};
        read_type(device, place);
        read_id(device, place);
        if (device.type != nullptr) read_properties(device);
        return device;
    }

  private:
    const KeyDeclaration& keys_ = machine_declaration().member("devices");

    void read_type(CheckedDevice& device, const ObjectPlace& place) {
        const auto value = read_member(context_, place, keys_.member("type").value);
        if (!value.given) return;
        device.config.type = value.text;
        device.type = catalog_.find(value.text);
        if (device.type != nullptr) return;
        Diagnostic diagnostic{.kind = DiagnosticKind::unknown_type,
                              .position = value.position,
                              .path = member_path(device.path, "type"),
                              .message = "unknown device type " + in_quotes(value.text),
                              .found = value.text};
        for (const auto& known : known_types_)
            diagnostic.valid.push_back(known.name);
        diagnostic.nearest = nearest_name(value.text, diagnostic.valid);
        const auto known = std::ranges::find(known_types_, value.text, &KnownType::name);
        if (known != known_types_.end()) {
            diagnostic.kind = DiagnosticKind::unavailable_type;
            diagnostic.message =
                "device type " + in_quotes(value.text) + " is not available: " + known->unavailable;
            diagnostic.nearest.clear();
            diagnostic.valid.clear();
        } else if (known_types_.empty()) {
            diagnostic.message += "; no plugin was found";
        }
        context_.reporter.report(std::move(diagnostic));
    }

    void read_id(CheckedDevice& device, const ObjectPlace& place) {
        const auto* const member = device.node->find("id");
        if (member == nullptr || member->value.kind != LocatedValue::Kind::text) {
            [[maybe_unused]] const auto reported = read_member(context_, place, keys_.member("id").value);
            return;
        }
        const auto& id = member->value;
        const auto path = member_path(device.path, "id");
        if (!is_good_id(id.text)) {
            context_.reporter.report(
                {.kind = DiagnosticKind::bad_id,
                 .position = id.position,
                 .path = path,
                 .message = "expected 1 to 64 letters, digits, \".\", \"_\" or \"-\", found " +
                            in_quotes(id.text, longest_id + 8),
                 .expected = "1 to 64 of A-Z a-z 0-9 . _ -",
                 .found = id.text.substr(0, longest_id)});
            return;
        }
        const auto [first, is_new] = ids_.emplace(id.text, id.position);
        if (!is_new) {
            context_.reporter.report(
                {.kind = DiagnosticKind::duplicate_id,
                 .position = id.position,
                 .path = path,
                 .message = "the id " + in_quotes(id.text, longest_id + 8) + " is taken by " +
                            (first->second ? "the device at " + context_.reporter.place(*first->second)
                                           : std::string("a device of the machine")),
                 .found = id.text});
            return;
        }
        device.config.id = id.text;
    }

    void read_properties(CheckedDevice& device) {
        const ObjectPlace place{*device.node, device.path, device.type->name};
        auto valid = names_of(device.type->properties);
        const bool is_backend = std::ranges::any_of(
            device.type->ports, [](const auto& port) { return port.role == PLUGBAY_PORT_BACKEND; });
        if (is_backend) valid.emplace_back("frontend");
        valid.emplace_back("id");
        valid.emplace_back("type");
        // read_links has more to say about a "frontend" that is out of place.
        check_names(context_, place, valid, "frontend");
        device.config.properties = read_members(context_, place, device.type->properties);
    }

    const ReadContext& context_;
    const TypeCatalog& catalog_;
    std::vector<KnownType> known_types_;
    std::unordered_map<std::string, std::optional<SourcePosition>> ids_; // nothing: the machine has it
};

} // namespace

std::vector<std::string> device_paths(const LocatedValue& devices) {
    std::unordered_set<std::string_view> seen;
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < devices.elements.size(); ++i) {
        const auto id = text_member(devices.elements[i], "id");
        if (is_good_id(id) && seen.insert(id).second) {
            paths.push_back("devices." + std::string(id));
        } else {
            paths.push_back(element_path("devices", i));
        }
    }
    return paths;
}

std::vector<CheckedDevice> read_devices(const ReadContext& context, const LocatedValue& devices,
                                        const TypeCatalog& catalog, std::span<const DeviceConfig> present) {
    if (devices.elements.size() > maximum_devices) {
        const auto& first_beyond = devices.elements[maximum_devices];
        context.reporter.report({.kind = DiagnosticKind::limit,
                                 .position = first_beyond.position,
                                 .path = element_path("devices", maximum_devices),
                                 .message = "more than " + std::to_string(maximum_devices) + " devices"});
    }
    DevicesReader reader(context, catalog);
    const auto paths = device_paths(devices);
    std::vector<CheckedDevice> result;
    for (const DeviceConfig& config : present)
        result.push_back(reader.present(config));
    for (std::size_t i = 0; i < devices.elements.size() && i < maximum_devices; ++i) {
        result.push_back(reader.read(devices.elements[i], paths[i]));
    }
    return result;
}

} // namespace plugbay::core
