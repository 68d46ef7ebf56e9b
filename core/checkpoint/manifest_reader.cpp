#include "core/checkpoint/manifest.hpp"
#include "core/checkpoint/manifest_text.hpp"

#include "core/base/machine_limits.hpp"
#include "core/config/json_reader.hpp"
#include "core/config/machine_keys.hpp"
#include "core/config/object_reader.hpp"

#include <plugbay/state_image.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace plugbay::core {

namespace {

constexpr std::uint64_t longest_text = 4096;
constexpr std::uint64_t most_bytes = INT64_MAX; // of a file: off_t
constexpr std::size_t id_length = 32;           // digits
constexpr std::size_t crc_length = 8;           // digits

bool is_hexadecimal(std::string_view text, std::size_t length) {
    return text.size() == length && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_time(std::string_view text) {
    constexpr std::string_view form = "0000-00-00T00:00:00Z";
    return std::ranges::equal(text, form, [](char have, char want) {
        return want == '0' ? have >= '0' && have <= '9' : have == want;
    });
}

bool is_file_checksum(std::string_view text) {
    if (text.starts_with("crc32c:")) return is_hexadecimal(text.substr(7), crc_length);
    return text.starts_with("sha256:") && is_hexadecimal(text.substr(7), 64);
}

// One object of the manifest, whose members are taken one by one.
class Section {
  public:
    Section(const ReadContext& context, const LocatedValue& object, std::string path, std::string owner)
        : context_(context), place_{object, std::move(path), std::move(owner)} {}

    [[nodiscard]] std::uint64_t number(std::string name, std::uint64_t minimum, std::uint64_t maximum,
                                       std::uint64_t multiple_of = 1) {
        return take(std::move(name), PLUGBAY_PROPERTY_UNSIGNED, minimum, maximum, multiple_of).number;
    }
    [[nodiscard]] std::int64_t signed_number(std::string name) {
        return static_cast<std::int64_t>(
            take(std::move(name), PLUGBAY_PROPERTY_SIGNED, static_cast<std::uint64_t>(INT64_MIN), INT64_MAX)
                .number);
    }
    [[nodiscard]] bool truth(std::string name) {
        return take(std::move(name), PLUGBAY_PROPERTY_BOOLEAN, 0, 1).number != 0;
    }
    [[nodiscard]] std::string text(std::string name, std::uint64_t minimum = 0,
                                   std::uint64_t maximum = longest_text) {
        return take(std::move(name), PLUGBAY_PROPERTY_STRING, minimum, maximum).text;
    }
    // A text that has to satisfy `is_right`; `form` says so in words.
    [[nodiscard]] std::string text(const std::string& name, bool (*is_right)(std::string_view),
                                   const std::string& form) {
        std::string value = text(name);
        const auto* const member = place_.object.find(name);
        if (member != nullptr && member->value.kind == LocatedValue::Kind::text && !is_right(value))
            refuse(member->value, name, form);
        return value;
    }
    // nullptr: not there, which is reported when it is required, or something else, which is reported.
    [[nodiscard]] const LocatedValue* structure(const std::string& name, KeyDeclaration::Shape shape,
                                                bool required = true) {
        names_.push_back(name);
        return find_structure(context_, place_,
                              {.shape = shape, .value = declare(name, required), .members = {}});
    }
    [[nodiscard]] bool has(std::string_view name) const { return place_.object.find(name) != nullptr; }
    [[nodiscard]] std::string path_of(std::string_view name) const { return member_path(place_.path, name); }
    void refuse(const LocatedValue& value, std::string_view name, const std::string& expected) const {
        report_wrong_kind(context_, value, path_of(name), expected);
    }
    // Reports the members that nobody took, but for an optional one named `ignored`.
    void finish(std::string_view ignored = {}) const { check_names(context_, place_, names_, ignored); }

  private:
    static PropertyDescription declare(std::string name, bool required) {
        return {.flags = required ? PLUGBAY_PROPERTY_REQUIRED : 0u,
                .name = std::move(name),
                .help = {},
                .default_text = {},
                .choices = {}};
    }
    PropertyValue take(std::string name, std::uint32_t kind, std::uint64_t minimum, std::uint64_t maximum,
                       std::uint64_t multiple_of = 1) {
        names_.push_back(name);
        PropertyDescription property = declare(std::move(name), true);
        property.kind = kind;
        property.minimum = minimum;
        property.maximum = maximum;
        return read_member(context_, place_, property, multiple_of);
    }

    const ReadContext& context_;
    ObjectPlace place_;
    std::vector<std::string> names_;
};

using Shape = KeyDeclaration::Shape;

// The tree as the JSON library has it. Its depth is bounded by read_json.
nlohmann::ordered_json plain_json(const LocatedValue& value) {
    using Kind = LocatedValue::Kind;
    using Json = nlohmann::ordered_json;
    switch (value.kind) {
    case Kind::null:
        return nullptr;
    case Kind::boolean:
        return value.truth;
    case Kind::integer:
        if (value.negative) return static_cast<std::int64_t>(0 - value.magnitude);
        return value.magnitude;
    case Kind::other_number:
        return Json::parse(value.text, nullptr, false);
    case Kind::text:
        return value.text;
    case Kind::array: {
        Json array = Json::array();
        for (const LocatedValue& element : value.elements)
            array.push_back(plain_json(element));
        return array;
    }
    case Kind::object: {
        // Not by operator[], which looks through all members each time; read_json has found the duplicates.
        Json::object_t object;
        for (const LocatedMember& member : value.members)
            static_cast<Json::object_t::Container&>(object).emplace_back(member.name,
                                                                         plain_json(member.value));
        return object;
    }
    }
    return nullptr;
}

void check_duplicates(const ReadContext& context, const LocatedValue& value, const std::string& path) {
    for (std::size_t i = 0; i < value.elements.size(); ++i)
        check_duplicates(context, value.elements[i], element_path(path, i));
    for (const LocatedMember& member : value.members) {
        const std::string place = member_path(path, member.name);
        if (member.duplicate)
            context.reporter.report({.kind = DiagnosticKind::duplicate_key,
                                     .position = member.position,
                                     .path = place,
                                     .message = "is there twice; expected once"});
        check_duplicates(context, member.value, place);
    }
}

class ManifestReader {
  public:
    ManifestReader(const ReadContext& context, const LocatedValue& root, ManifestStage stage)
        : context_(context), root_(context, root, "", "the manifest"), stage_(stage) {}

    Manifest read() {
        static_cast<void>(root_.text("format"));
        static_cast<void>(root_.number("format_version", 1, UINT32_MAX));
        static_cast<void>(root_.text("checksum"));
        read_origin();
        read_parent();
        read_memory();
        manifest_.vcpus = static_cast<std::uint32_t>(root_.number("vcpus", 1, max_vcpu_count));
        read_host();
        each("states", [this](const LocatedValue& value, const std::string& path) {
            manifest_.states.push_back(read_state(value, path));
        });
        each("devices",
             [this](const LocatedValue& value, const std::string& path) { read_device(value, path); });
        each("host_files",
             [this](const LocatedValue& value, const std::string& path) { read_host_file(value, path); });
        read_files();
        if (const auto* machine = root_.structure("machine", Shape::object))
            manifest_.machine = plain_json(*machine);
        root_.finish();
        return std::move(manifest_);
    }

  private:
    static constexpr auto is_id = [](std::string_view text) { return is_hexadecimal(text, id_length); };
    static constexpr const char* id_form = "32 hexadecimal digits";

    [[nodiscard]] Section section(const LocatedValue& value, std::string path, std::string owner) const {
        return {context_, value, std::move(path), std::move(owner)};
    }

    template <typename Read>
    void each(const std::string& name, const Read& read) {
        if (const auto* array = root_.structure(name, Shape::objects))
            each_of(*array, root_.path_of(name), read);
    }
    template <typename Read>
    void each_of(const LocatedValue& array, const std::string& array_path, const Read& read) {
        for (std::size_t i = 0; i < array.elements.size() && !context_.reporter.is_full(); ++i) {
            const LocatedValue& value = array.elements[i];
            const std::string path = element_path(array_path, i);
            if (value.kind == LocatedValue::Kind::object)
                read(value, path);
            else
                report_wrong_kind(context_, value, path, "an object");
        }
    }

    void read_origin() {
        manifest_.id = root_.text("id", is_id, id_form);
        manifest_.created = root_.text("created", is_time, "a time such as \"2026-11-30T16:12:00Z\"");
        manifest_.plugbay = root_.text("plugbay", 1, 64);
        const LocatedValue* value = root_.structure("holds", Shape::object);
        if (value == nullptr) return;
        Section holds = section(*value, "holds", "\"holds\"");
        manifest_.holds_states = holds.truth("states");
        if (holds.truth("memory")) manifest_.memory.emplace();
        holds.finish();
    }

    void read_parent() {
        const LocatedValue* value = root_.structure("parent", Shape::object, false);
        if (value == nullptr) return;
        Section parent = section(*value, "parent", "the parent");
        manifest_.parent.emplace();
        manifest_.parent->id = parent.text("id", is_id, id_form);
        manifest_.parent->folder =
            parent.text("folder", is_folder_name, "the name of a folder beside this one, without slashes");
        parent.finish();
    }

    void read_memory() {
        const bool held = manifest_.memory.has_value();
        const LocatedValue* value = root_.structure("memory", Shape::object, held);
        if (value == nullptr) return;
        if (!held) return root_.refuse(*value, "memory", "nothing, because \"holds.memory\" is false");
        Section memory = section(*value, "memory", "the memory");
        SavedMemory& saved = *manifest_.memory;
        saved.size = memory.number("size", min_guest_memory, max_guest_memory, checkpoint_page_size);
        static_cast<void>(memory.number("page_size", checkpoint_page_size, checkpoint_page_size));
        const std::string kind = memory.text(
            "kind", [](std::string_view text) { return text == "full" || text == "incremental"; },
            "\"full\" or \"incremental\"");
        saved.kind = kind == "incremental" ? LayerKind::incremental : LayerKind::full;
        if (stage_ == ManifestStage::folder) {
            const std::uint64_t most = max_guest_memory / checkpoint_page_size;
            saved.decided = memory.number("decided", 0, most);
            saved.stored = memory.number("stored", 0, most);
        }
        memory.finish();
    }

    void read_host() {
        const LocatedValue* host = root_.structure("host", Shape::object);
        if (host == nullptr) return;
        for (const LocatedMember& member : host->members) {
            const LocatedValue& value = member.value;
            if (value.kind == LocatedValue::Kind::text)
                manifest_.host.emplace_back(member.name, value.text);
            else if (value.kind == LocatedValue::Kind::integer && !value.negative)
                manifest_.host.emplace_back(member.name, value.magnitude);
            else
                report_wrong_kind(context_, value, member_path("host", member.name),
                                  "a text or an integer from 0 to 18446744073709551615");
        }
    }

    static std::uint32_t read_checksum(Section& section) {
        const std::string digits = section.text(
            "crc32c", [](std::string_view text) { return is_hexadecimal(text, crc_length); },
            "8 hexadecimal digits");
        std::uint32_t number = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
        return number;
    }

    static StatePlace read_place(Section& section) {
        StatePlace place;
        place.type = section.text("type", plugbay::detail::state_name_valid, "1 to 255 printable characters");
        place.version = static_cast<std::uint32_t>(section.number("version", 0, UINT32_MAX));
        place.offset = section.number("offset", 0, largest_states);
        place.size = section.number("size", 1, largest_states);
        place.checksum = read_checksum(section);
        return place;
    }

    NamedState read_state(const LocatedValue& value, const std::string& path) {
        Section state = section(value, path, "a state");
        std::string name = state.text("name", 1, longest_state_name);
        NamedState read{std::move(name), read_place(state)};
        state.finish();
        return read;
    }

    std::vector<std::string> read_names(const LocatedValue& array, const std::string& array_path) const {
        PropertyDescription name;
        name.kind = PLUGBAY_PROPERTY_STRING;
        name.minimum = 1;
        name.maximum = longest_state_name;
        std::vector<std::string> names;
        for (std::size_t i = 0; i < array.elements.size() && !context_.reporter.is_full(); ++i) {
            if (auto read = read_value(context_, name, array.elements[i], element_path(array_path, i)))
                names.push_back(std::move(read->text));
        }
        return names;
    }

    void read_device(const LocatedValue& value, const std::string& path) {
        Section device = section(value, path, "a device");
        SavedDevice saved;
        saved.id = device.text("id", 1, longest_id);
        saved.type = device.text("type", 1, longest_id);
        saved.plugin = device.text("plugin");
        saved.plugin_version = device.text("plugin_version");
        saved.build_id = device.text("build_id");
        saved.abi_major = static_cast<std::uint16_t>(device.number("abi_major", 0, UINT16_MAX));
        saved.abi_minor = static_cast<std::uint16_t>(device.number("abi_minor", 0, UINT16_MAX));
        if (const auto* state = device.structure("state", Shape::object, false)) {
            Section place = section(*state, path + ".state", "a state");
            saved.state = read_place(place);
            place.finish();
        }
        if (const auto* resources = device.structure("resources", Shape::objects, false)) {
            each_of(*resources, path + ".resources", [&](const LocatedValue& one, const std::string& place) {
                saved.resources.push_back(read_state(one, place));
            });
        }
        if (const auto* names = device.structure("guest_visible", Shape::list, false))
            saved.guest_visible = read_names(*names, path + ".guest_visible");
        device.finish();
        manifest_.devices.push_back(std::move(saved));
    }

    void read_host_file(const LocatedValue& value, const std::string& path) {
        Section file = section(value, path, "a host file");
        HostFile saved;
        saved.path = file.text("path", 1);
        saved.size = file.number("size", 0, most_bytes);
        saved.modified = file.signed_number("modified");
        if (file.has("checksum"))
            saved.checksum = file.text("checksum", is_file_checksum,
                                       "\"crc32c:\" and 8, or \"sha256:\" and 64 hexadecimal digits");
        file.finish();
        manifest_.host_files.push_back(std::move(saved));
    }

    void read_files() {
        const LocatedValue* value = root_.structure("files", Shape::object);
        if (value == nullptr) return;
        Section files = section(*value, "files", "the checkpoint's files");
        for (const char* name : {state_file, memory_file, memory_sums_file, memory_pages_file}) {
            const LocatedValue* entry = files.structure(name, Shape::object, false);
            if (entry == nullptr) continue;
            Section file = section(*entry, files.path_of(name), "a file");
            StoredFile& stored = manifest_.files[name];
            stored.size = file.number("size", 0, most_bytes);
            if (file.has("crc32c")) stored.checksum = read_checksum(file);
            file.finish();
        }
        files.finish();
    }

    const ReadContext& context_;
    Section root_;
    ManifestStage stage_;
    Manifest manifest_;
};

std::string_view text_member(const LocatedValue& root, std::string_view name) {
    const auto* const member = root.find(name);
    return member != nullptr && member->value.kind == LocatedValue::Kind::text ? member->value.text
                                                                               : std::string_view();
}

// That the text is a manifest of a version that can be read.
Result<void> check_format(const LocatedValue& root, const std::string& file) {
    if (text_member(root, "format") != manifest_format_name)
        return Error{file + ": format: expected \"" + manifest_format_name +
                         "\"; this is no checkpoint's manifest",
                     "name the folder that \"plugbay checkpoint\" has written"};
    const auto* const member = root.find("format_version");
    if (member == nullptr || member->value.kind != LocatedValue::Kind::integer || member->value.negative ||
        member->value.magnitude != checkpoint_format_version) {
        const std::string found = member == nullptr ? "nothing" : description_of(member->value);
        return Error{file + ": format_version: expected " + std::to_string(checkpoint_format_version) +
                         ", found " + found,
                     "the checkpoint was written by Plugbay " + in_quotes(text_member(root, "plugbay")) +
                         "; use that version or a newer one"};
    }
    return {};
}

Error error_of(std::vector<Diagnostic> diagnostics, std::string_view written_by) {
    std::string message = text_of(diagnostics.front());
    if (diagnostics.size() > 1)
        message += "; and " + std::to_string(diagnostics.size() - 1) + " more mistakes";
    const bool unknown = std::ranges::any_of(diagnostics, [](const Diagnostic& diagnostic) {
        return diagnostic.kind == DiagnosticKind::unknown_key;
    });
    std::string hint = "nothing is restored from it; take another checkpoint";
    if (unknown)
        hint = "the checkpoint was written by Plugbay " + in_quotes(written_by) +
               ", which may know more than this one; use that version";
    return {std::move(message), std::move(hint)};
}

} // namespace

Result<Manifest> read_manifest(std::string text, const std::string& file, ManifestStage stage) {
    const std::size_t ending = manifest_ending({}).size();
    if (text.size() < ending ||
        !text.ends_with(manifest_ending(std::string_view(text).substr(0, text.size() - ending))))
        return Error{file + ": its checksum, in the last two lines, does not match its text",
                     "the file is damaged, cut off or was edited; use another checkpoint"};
    const SourceText source(std::move(text));
    JsonResult json = read_json(source.text(), JsonComments::refused);
    Reporter reporter(file, source, {});
    if (json.problem) {
        reporter.report({.kind = json.problem->kind,
                         .position = json.problem->position,
                         .message = std::move(json.problem->message)});
        return error_of(reporter.take(), {});
    }
    const LocatedValue& root = *json.root;
    if (auto format = check_format(root, file); !format) return std::move(format).error();
    const std::filesystem::path nowhere;
    const ReadContext context{reporter, nowhere, nowhere};
    check_duplicates(context, root, "");
    Manifest manifest = ManifestReader(context, root, stage).read();
    if (auto diagnostics = reporter.take(); !diagnostics.empty())
        return error_of(std::move(diagnostics), text_member(root, "plugbay"));
    if (auto conflict = find_conflict(manifest, stage))
        return Error{file + ": " + conflict->path + ": " + conflict->message,
                     "nothing is restored from it; take another checkpoint"};
    return manifest;
}

} // namespace plugbay::core
