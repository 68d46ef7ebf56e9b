#include "core/config/device_reader.hpp"
#include "core/config/machine_file.hpp"
#include "core/config/object_reader.hpp"
#include "core/config/source_text.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace plugbay::core {
namespace {

using Shape = KeyDeclaration::Shape;

class Validation {
  public:
    Validation(const MachineDocument& document, const TypeCatalog& catalog)
        : document_(document), catalog_(catalog),
          reporter_(document.file, document.source, document.overrides) {}

    ConfigResult run() {
        reporter_.keep(document_.diagnostics);
        MachineConfig config{.file = document_.file, .overrides = document_.overrides};
        if (document_.root) read_machine(*document_.root, config);
        ConfigResult result{.config = std::nullopt, .diagnostics = reporter_.take()};
        if (result.diagnostics.empty()) result.config = std::move(config);
        return result;
    }

  private:
    void read_machine(const LocatedValue& root, MachineConfig& config) {
        if (root.kind != LocatedValue::Kind::object) {
            report_wrong_kind(context_, root, "", "an object, the machine");
            return;
        }
        if (const auto* const devices = root.find("devices")) device_paths_ = device_paths(devices->value);
        report_duplicates(root, "");
        const ObjectPlace place{root, "", ""};
        const auto values = read_keys(place, keys_);
        const auto value = [this, &values](std::string_view name) -> const PropertyValue& {
            return values[index_of(keys_, name)];
        };
        config.name = value("name").text;
        if (!value("name").given) config.name = default_name();
        config.memory = value("memory").number;
        config.cpus = static_cast<std::uint32_t>(value("cpus").number);
        config.io_threads = static_cast<std::uint32_t>(value("io_threads").number);
        config.on_reset = std::array{OnReset::restart, OnReset::exit}.at(value("on_reset").number);
        if (const auto* const boot = find_structure(context_, place, keys_.member("boot"))) {
            config.boot = read_boot({*boot, "boot", "boot"});
        }
        if (const auto* const plugins = find_structure(context_, place, keys_.member("plugins"))) {
            read_plugins(*plugins, config.plugins);
        }
        if (const auto* const devices = find_structure(context_, place, keys_.member("devices"))) {
            auto checked = read_devices(context_, *devices, catalog_);
            read_links(context_, checked, catalog_);
            for (auto& device : checked)
                config.devices.push_back(std::move(device.config));
        }
    }

    static std::size_t index_of(const KeyDeclaration& object, std::string_view name) {
        return static_cast<std::size_t>(&object.member(name) - object.members.data());
    }

    // Checks the names of all members and reads those of shape `value`; the other entries stay as they are.
    std::vector<PropertyValue> read_keys(const ObjectPlace& place, const KeyDeclaration& declaration) {
        check_names(context_, place, names_of(declaration.members));
        std::vector<PropertyValue> values;
        for (const auto& key : declaration.members) {
            values.push_back(key.shape == Shape::value
                                 ? read_member(context_, place, key.value, key.multiple_of)
                                 : PropertyValue{});
        }
        return values;
    }

    BootConfig read_boot(const ObjectPlace& place) {
        const auto& keys = keys_.member("boot");
        const auto values = read_keys(place, keys);
        const auto value = [&keys, &values](std::string_view name) -> const PropertyValue& {
            return values[index_of(keys, name)];
        };
        const auto choice = [&keys, &value](std::string_view name) {
            return keys.member(name).value.choices.at(value(name).number);
        };
        const auto* const protocol = place.object.find("protocol");
        const bool protocol_is_good = protocol == nullptr || value("protocol").given;
        for (const auto* const name : {"address", "mode"}) {
            const auto* const member = place.object.find(name);
            if (member == nullptr || !protocol_is_good || choice("protocol") == "flat") continue;
            reporter_.report({.kind = DiagnosticKind::misplaced_key,
                              .position = member->position,
                              .path = member_path(place.path, name),
                              .message = in_quotes(name) +
                                         " is for protocol \"flat\" only; the protocol is \"" +
                                         choice("protocol") + '"'});
        }
        return {.kernel = value("kernel").text,
                .initrd = value("initrd").text,
                .command_line = value("command_line").text,
                .protocol = choice("protocol"),
                .address = value("address").number,
                .mode = choice("mode")};
    }

    void read_plugins(const LocatedValue& list, std::vector<std::string>& plugins) {
        for (std::size_t i = 0; i < list.elements.size(); ++i) {
            const auto value = read_value(context_, keys_.member("plugins").value, list.elements[i],
                                          element_path("plugins", i));
            if (value) plugins.push_back(value->text);
        }
    }

    [[nodiscard]] std::string default_name() const {
        auto stem = std::filesystem::path(document_.file).stem().string();
        return stem.empty() ? "machine" : stem;
    }

    void report_duplicates(const LocatedValue& value, const std::string& path) {
        if (reporter_.is_full()) return;
        for (std::size_t i = 0; i < value.elements.size(); ++i) {
            const bool is_device = path == "devices" && i < device_paths_.size();
            report_duplicates(value.elements[i], is_device ? device_paths_[i] : element_path(path, i));
        }
        std::unordered_map<std::string_view, const LocatedMember*> first;
        for (const auto& member : value.members) {
            const auto member_at = member_path(path, member.name);
            const auto [known, is_new] = first.emplace(member.name, &member);
            if (!is_new) {
                reporter_.report({.kind = DiagnosticKind::duplicate_key,
                                  .position = member.position,
                                  .path = member_at,
                                  .message = "duplicate key " + in_quotes(member.name) +
                                             ", given before at " + reporter_.place(known->second->position),
                                  .found = member.name});
            }
            report_duplicates(member.value, member_at);
        }
    }

    const KeyDeclaration& keys_ = machine_declaration();
    const MachineDocument& document_;
    const TypeCatalog& catalog_;
    Reporter reporter_;
    ReadContext context_{reporter_, document_.directory, document_.override_directory};
    std::vector<std::string> device_paths_;
};

} // namespace

ConfigResult validate(const MachineDocument& document, const TypeCatalog& catalog) {
    return Validation(document, catalog).run();
}

} // namespace plugbay::core
