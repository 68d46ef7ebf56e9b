#include "core/cli/inspect_checkpoint.hpp"

#include "core/checkpoint/checkpoint.hpp"
#include "core/cli/terminal_text.hpp"
#include "core/config/number_text.hpp"

#include <fmt/format.h>

#include <array>
#include <ostream>

namespace plugbay::core {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t most_elements_shown = 8;
constexpr std::size_t longest_text_shown = 64;

const char* kind_name(std::uint32_t kind) {
    constexpr std::array<const char*, 8> names{"", "boolean", "u8", "u16", "u32", "u64", "i64", "text"};
    return names.at(kind); // of a decoded image, so it is one of these
}

std::uint64_t number_of(std::span<const std::byte> element) {
    std::uint64_t value = 0;
    for (std::size_t i = element.size(); i-- > 0;)
        value = value << 8 | std::to_integer<std::uint64_t>(element[i]);
    return value;
}

Json element_json(std::uint32_t kind, std::span<const std::byte> element) {
    const std::uint64_t value = number_of(element);
    if (kind == PLUGBAY_FIELD_BOOLEAN) return value != 0;
    if (kind == PLUGBAY_FIELD_I64) return static_cast<std::int64_t>(value);
    return value;
}

// Registers read best in hexadecimal, small numbers do not.
std::string element_text(std::uint32_t kind, std::span<const std::byte> element) {
    constexpr std::uint64_t largest_decimal = 9999;
    const std::uint64_t value = number_of(element);
    if (kind == PLUGBAY_FIELD_BOOLEAN) return value != 0 ? "true" : "false";
    if (kind == PLUGBAY_FIELD_I64) return std::to_string(static_cast<std::int64_t>(value));
    return value <= largest_decimal ? std::to_string(value) : fmt::format("{:#x}", value);
}

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename Visit>
void each_element(const StateImage& image, const StateField& field, std::uint64_t most, const Visit& visit) {
    const std::size_t size = plugbay::detail::state_element_size(field.kind);
    const auto elements = image.elements(field);
    for (std::uint64_t i = 0; i < std::min(field.count, most); ++i)
        visit(elements.subspan(i * size, size));
}

std::string value_text(const StateImage& image, const StateField& field) {
    if (field.kind == PLUGBAY_FIELD_TEXT) {
        const std::string_view text = text_of(image.elements(field));
        return '"' + printable(text.substr(0, longest_text_shown)) + '"' +
               (text.size() > longest_text_shown
                    ? fmt::format(" and {} bytes more", text.size() - longest_text_shown)
                    : std::string());
    }
    std::string text;
    each_element(image, field, most_elements_shown, [&](std::span<const std::byte> element) {
        text += (text.empty() ? "" : " ") + element_text(field.kind, element);
    });
    if (field.count > most_elements_shown)
        text += fmt::format(" and {} more", field.count - most_elements_shown);
    return text;
}

void print_fields(std::ostream& out, const StateImage& image) {
    TextTable table;
    for (const StateField& field : image.fields()) {
        const bool is_array = field.count != 1 && field.kind != PLUGBAY_FIELD_TEXT;
        std::string kind = kind_name(field.kind);
        if (is_array) kind += fmt::format("[{}]", field.count);
        if ((field.flags & PLUGBAY_FIELD_OPTIONAL) != 0) kind += ", optional";
        table.add({field.name, std::move(kind), value_text(image, field)});
    }
    table.print(out, "  ");
}

Json fields_json(const StateImage& image) {
    Json fields = Json::array();
    for (const StateField& field : image.fields()) {
        Json json{{"name", field.name},
                  {"kind", kind_name(field.kind)},
                  {"optional", (field.flags & PLUGBAY_FIELD_OPTIONAL) != 0},
                  {"count", field.count}};
        if (field.kind == PLUGBAY_FIELD_TEXT) {
            json["value"] = text_of(image.elements(field));
        } else if (field.count == 1) {
            json["value"] = element_json(field.kind, image.elements(field));
        } else {
            json["value"] = Json::array();
            each_element(image, field, field.count, [&](std::span<const std::byte> element) {
                json["value"].push_back(element_json(field.kind, element));
            });
        }
        fields.push_back(std::move(json));
    }
    return fields;
}

// The manifest as it is written, with the chain and the fields of the states added.
Result<Json> checkpoint_json(const Checkpoint& checkpoint) {
    auto text = manifest_text(checkpoint.manifest(), ManifestStage::folder);
    if (!text) return std::move(text).error();
    Json json = Json::parse(*text);
    json.erase("checksum");
    for (Json& state : json["states"])
        state["fields"] = fields_json(*checkpoint.states().named(state["name"].get<std::string>()));
    for (Json& device : json["devices"]) {
        if (device.contains("state"))
            device["state"]["fields"] =
                fields_json(*checkpoint.states().device(device["id"].get<std::string>()));
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
