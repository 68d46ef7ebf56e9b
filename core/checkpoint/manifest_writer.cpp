#include "core/checkpoint/checksum.hpp"
#include "core/checkpoint/manifest.hpp"
#include "core/checkpoint/manifest_text.hpp"

#include "core/base/errno_error.hpp"

#include <fmt/format.h>

#include <array>
#include <sys/random.h>

namespace plugbay::core {

namespace {

using Json = nlohmann::ordered_json;

void add_place(Json& json, const StatePlace& place) {
    json["type"] = place.type;
    json["version"] = place.version;
    json["offset"] = place.offset;
    json["size"] = place.size;
    json["crc32c"] = fmt::format("{:08x}", place.checksum);
}

Json states_json(const std::vector<NamedState>& states) {
    Json array = Json::array();
    for (const NamedState& state : states) {
        Json json{{"name", state.name}};
        add_place(json, state.place);
        array.push_back(std::move(json));
    }
    return array;
}

Json device_json(const SavedDevice& device) {
    Json json{{"id", device.id},
              {"type", device.type},
              {"plugin", device.plugin},
              {"plugin_version", device.plugin_version},
              {"build_id", device.build_id},
              {"abi_major", device.abi_major},
              {"abi_minor", device.abi_minor}};
    if (device.state) add_place(json["state"], *device.state);
    if (!device.resources.empty()) json["resources"] = states_json(device.resources);
    if (device.guest_visible) json["guest_visible"] = *device.guest_visible;
    return json;
}

Json host_file_json(const HostFile& file) {
    Json json{{"path", file.path}, {"size", file.size}, {"modified", file.modified}};
    if (!file.checksum.empty()) json["checksum"] = file.checksum;
    return json;
}

Json memory_json(const SavedMemory& memory, ManifestStage stage) {
    Json json{{"size", memory.size},
              {"page_size", checkpoint_page_size},
              {"kind", memory.kind == LayerKind::full ? "full" : "incremental"}};
    if (stage == ManifestStage::folder) {
        json["decided"] = memory.decided;
        json["stored"] = memory.stored;
    }
    return json;
}

Json files_json(const Manifest& manifest) {
    Json files = Json::object();
    for (const auto& [name, file] : manifest.files) {
        files[name] = {{"size", file.size}};
        if (file.checksum) files[name]["crc32c"] = fmt::format("{:08x}", *file.checksum);
    }
    return files;
}

Json manifest_json(const Manifest& manifest, ManifestStage stage) {
    Json json{{"format", manifest_format_name},
              {"format_version", checkpoint_format_version},
              {"id", manifest.id},
              {"created", manifest.created},
              {"plugbay", manifest.plugbay},
              {"holds", {{"states", manifest.holds_states}, {"memory", manifest.memory.has_value()}}}};
    if (manifest.parent) json["parent"] = {{"id", manifest.parent->id}, {"folder", manifest.parent->folder}};
    if (manifest.memory) json["memory"] = memory_json(*manifest.memory, stage);
    json["vcpus"] = manifest.vcpus;
    json["host"] = Json::object();
    for (const auto& [name, fact] : manifest.host)
        std::visit([&json, &name = name](const auto& value) { json["host"][name] = value; }, fact);
    json["states"] = states_json(manifest.states);
    json["devices"] = Json::array();
    for (const SavedDevice& device : manifest.devices)
        json["devices"].push_back(device_json(device));
    json["host_files"] = Json::array();
    for (const HostFile& file : manifest.host_files)
        json["host_files"].push_back(host_file_json(file));
    json["files"] = files_json(manifest);
    json["machine"] = manifest.machine;
    return json;
}

} // namespace

Result<std::string> new_checkpoint_id() {
    std::array<std::uint8_t, 16> random{};
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
        return errno_error("no random numbers for a checkpoint's id");
    std::string id;
    for (const std::uint8_t byte : random)
        id += fmt::format("{:02x}", byte);
    return id;
}

std::string manifest_ending(std::string_view before) {
    return fmt::format(",\n  \"checksum\": \"{:08x}\"\n}}\n", checksum_of(std::as_bytes(std::span(before))));
}

Result<std::string> manifest_text(const Manifest& manifest, ManifestStage stage) {
    try {
        std::string text = manifest_json(manifest, stage).dump(2);
        text.resize(text.size() - std::string_view("\n}").size());
        text += manifest_ending(text);
        return text;
    } catch (const Json::exception& error) {
        return Error{std::string("the checkpoint's manifest cannot be written: ") + error.what(),
                     "names of host files and of the machine have to be UTF-8"};
    }
}

} // namespace plugbay::core
