#include "core/cli/inspect_checkpoint.hpp"

#include "core/checkpoint/checkpoint.hpp"
#include "core/cli/terminal_text.hpp"
#include "core/config/number_text.hpp"
#include "core/device/state_json.hpp"

#include <fmt/format.h>

#include <array>
#include <ostream>

namespace plugbay::core {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t most_elements_shown = 8;
constexpr std::size_t longest_text_shown = 64;

// Registers read best in hexadecimal, small numbers do not.
std::string element_text(const Json& element) {
    constexpr std::uint64_t largest_decimal = 9999;
    if (element.is_boolean()) return element.get<bool>() ? "true" : "false";
    if (!element.is_number_unsigned() || element.get<std::uint64_t>() <= largest_decimal)
        return element.dump();
    return fmt::format("{:#x}", element.get<std::uint64_t>());
}

std::string value_text(const Json& field) {
    const Json& value = field["value"];
    const auto count = field["count"].get<std::uint64_t>();
    if (value.is_string()) {
        const auto& whole = value.get_ref<const std::string&>();
        std::string text = '"' + printable(std::string_view(whole).substr(0, longest_text_shown)) + '"';
        if (count > longest_text_shown) text += fmt::format(" and {} bytes more", count - longest_text_shown);
        return text;
    }
    if (!value.is_array()) return element_text(value);
    std::string text;
    for (const Json& element : value)
        text += (text.empty() ? "" : " ") + element_text(element);
    if (count > value.size()) text += fmt::format(" and {} more", count - value.size());
    return text;
}

void print_fields(std::ostream& out, const StateImage& image) {
    TextTable table;
    for (const Json& field : state_fields_json(image, most_elements_shown)) {
        auto kind = field["kind"].get<std::string>();
        if (field["value"].is_array()) kind += fmt::format("[{}]", field["count"].get<std::uint64_t>());
        if (field["optional"].get<bool>()) kind += ", optional";
        table.add({field["name"].get<std::string>(), std::move(kind), value_text(field)});
    }
    table.print(out, "  ");
}

// The manifest as it is written, with the chain and the fields of the states added.
Result<Json> checkpoint_json(const Checkpoint& checkpoint) {
    auto text = manifest_text(checkpoint.manifest(), ManifestStage::folder);
    if (!text) return std::move(text).error();
    Json json = Json::parse(*text);
    json.erase("checksum");
    for (Json& state : json["states"])
        state["fields"] = state_fields_json(*checkpoint.states().named(state["name"].get<std::string>()));
    for (Json& device : json["devices"]) {
        const auto& id = device["id"].get_ref<const std::string&>();
        if (device.contains("state"))
            device["state"]["fields"] = state_fields_json(*checkpoint.states().device(id));
        if (!device.contains("resources")) continue;
        for (Json& resource : device["resources"]) {
            const auto& resource_name = resource["name"].get_ref<const std::string&>();
            resource["fields"] = state_fields_json(*checkpoint.states().resource(id, resource_name));
        }
    }
    json["chain"] = Json::array();
    if (checkpoint.memory() == nullptr) return json;
    for (const MemoryLayer& layer : checkpoint.memory()->layers())
        json["chain"].push_back({{"folder", layer.folder},
                                 {"id", layer.id},
                                 {"decided", layer.memory.decided},
                                 {"stored", layer.memory.stored}});
    return json;
}

void print_facts(std::ostream& out, const Checkpoint& checkpoint) {
    const Manifest& manifest = checkpoint.manifest();
    const auto name = manifest.machine.find("name");
    TextTable table;
    table.add({"Id:", manifest.id});
    table.add({"Written:", manifest.created + " by Plugbay " + manifest.plugbay});
    if (name != manifest.machine.end() && name->is_string())
        table.add({"Machine:", name->get<std::string>()});
    table.add({"vCPUs:", std::to_string(manifest.vcpus)});
    if (!manifest.holds_states) table.add({"States:", "none"});
    if (!manifest.memory)
        table.add({"Memory:", "none"});
    else
        table.add({"Memory:", fmt::format("{}, {} of {} pages stored", size_text(manifest.memory->size),
                                          manifest.memory->stored, manifest.memory->decided)});
    if (manifest.parent) table.add({"Parent:", manifest.parent->folder + ", id " + manifest.parent->id});
    for (const auto& [key, fact] : manifest.host)
        table.add({"Host:",
                   std::visit([&key = key](const auto& value) { return fmt::format("{} = {}", key, value); },
                              fact)});
    for (const HostFile& file : manifest.host_files)
        table.add({"Host file:", fmt::format("{}, {} bytes{}{}", file.path, file.size,
                                             file.checksum.empty() ? "" : ", ", file.checksum)});
    table.print(out);
}

void print_chain(std::ostream& out, const MemoryLayers& memory) {
    TextTable table({"Layer", "Pages decided", "Pages stored", "Id"});
    for (const MemoryLayer& layer : memory.layers())
        table.add({layer.folder, std::to_string(layer.memory.decided), std::to_string(layer.memory.stored),
                   layer.id});
    out << '\n';
    table.print(out);
}

void print_states(std::ostream& out, const Checkpoint& checkpoint) {
    const auto heading = [&out](const std::string& name, const StatePlace& place) {
        out << '\n'
            << printable(name) << ": state of " << printable(place.type) << ", version " << place.version
            << ", " << place.size << " bytes\n";
    };
    for (const NamedState& state : checkpoint.manifest().states) {
        heading(state.name, state.place);
        print_fields(out, *checkpoint.states().named(state.name));
    }
    for (const SavedDevice& device : checkpoint.manifest().devices) {
        if (!device.state) continue;
        heading(device.id, *device.state);
        print_fields(out, *checkpoint.states().device(device.id));
        for (const NamedState& resource : device.resources) {
            heading(device.id + ", " + resource.name, resource.place);
            print_fields(out, *checkpoint.states().resource(device.id, resource.name));
        }
    }
}

void print_devices(std::ostream& out, const Manifest& manifest) {
    if (manifest.devices.empty()) return;
    TextTable table({"Device", "Type", "Plugin", "ABI", "Build id"});
    for (const SavedDevice& device : manifest.devices)
        table.add({device.id, device.type, device.plugin + ' ' + device.plugin_version,
                   fmt::format("{}.{}", device.abi_major, device.abi_minor), device.build_id});
    out << '\n';
    table.print(out);
}

} // namespace

Result<void> inspect_checkpoint(std::ostream& out, const std::filesystem::path& folder,
                                const InspectCheckpointOptions& options) {
    const auto checkpoint = Checkpoint::open(folder);
    if (!checkpoint) return checkpoint.error();
    if (options.verify && checkpoint->memory() != nullptr) {
        if (auto verified = checkpoint->memory()->verify(); !verified) return verified;
    }
    if (options.json) {
        const auto json = checkpoint_json(*checkpoint);
        if (!json) return json.error();
        // The texts in states may be no UTF-8.
        out << json->dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
        return {};
    }
    print_facts(out, *checkpoint);
    print_devices(out, checkpoint->manifest());
    if (checkpoint->memory() != nullptr && checkpoint->memory()->layers().size() > 1)
        print_chain(out, *checkpoint->memory());
    print_states(out, *checkpoint);
    return {};
}

} // namespace plugbay::core
