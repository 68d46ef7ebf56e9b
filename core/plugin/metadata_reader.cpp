#include "core/plugin/metadata_reader.hpp"

#include "core/base/utf8.hpp"
#include "core/plugin/description_check.hpp"
#include "core/plugin/elf_image.hpp"

#include <plugbay/abi/plugin.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>

namespace plugbay::core {

namespace {

// The sizes that the structs had in ABI 1.0; they only grow.
constexpr std::uint32_t first_plugin_size = 64;
constexpr std::uint32_t first_type_size = 112;
constexpr std::uint32_t first_port_size = 40;
constexpr std::uint32_t first_property_size = 72;
constexpr std::uint32_t largest_struct = 1 << 16;

// Members return false after setting error_; callers then add where they were. All members that are read were
// there in ABI 1.0; one that comes later is zero (NULL) in a struct that is too small to have it.
class DescriptorReader {
  public:
    explicit DescriptorReader(ElfImage& image) : image_(image) {}

    bool read_plugin(std::uint64_t address, PluginDescription& description);
    Error take_error() { return std::move(error_); }

  private:
    bool fail(std::string message, std::string hint) {
        error_ = Error{std::move(message), std::move(hint)};
        return false;
    }
    bool inside(const std::string& context) {
        error_ = with_context(context, std::move(error_));
        return false;
    }

    bool read_type(std::uint64_t address, TypeDescription& type);
    bool read_port(std::uint64_t address, PortDescription& port);
    bool read_property(std::uint64_t address, PropertyDescription& property);

    template <typename Description>
    bool read_list(const char* what, std::uint64_t slot, std::uint32_t count, std::uint32_t limit,
                   bool (DescriptorReader::*read_one)(std::uint64_t, Description&),
                   std::vector<Description>& list);
    bool read_choices(std::uint64_t slot, std::uint32_t count, std::vector<std::string>& choices);

    template <typename Struct>
    bool read_struct(std::uint64_t address, std::uint32_t first_size, Struct& target);
    bool read_magic_and_abi(std::uint64_t address, const plugbay_plugin& plugin);
    bool read_text(const char* what, std::uint64_t slot, std::size_t limit, bool may_be_null,
                   std::string& text);
    bool read_address(const std::string& what, std::uint64_t slot, std::uint64_t& address);
    bool read_array(const std::string& what, std::uint64_t slot, std::uint64_t& array);
    bool check_function(const char* what, std::uint64_t slot);
    bool declare(std::uint64_t count);

    ElfImage& image_;
    Error error_;
    std::size_t text_bytes_ = 0;
    std::size_t declarations_ = 0;
};

template <typename Struct>
bool DescriptorReader::read_struct(std::uint64_t address, std::uint32_t first_size, Struct& target) {
    static_assert(std::is_trivially_copyable_v<Struct>);
    const std::string where = "at address " + std::to_string(address);
    if (address % alignof(Struct) != 0) return fail("its struct " + where + " is not aligned", "");
    std::uint32_t size = 0;
    if (!image_.read(address + offsetof(Struct, size), &size, sizeof size)) {
        return fail("its struct " + where + " is outside of the file's segments", "");
    }
    if (size < first_size || size > largest_struct) {
        return fail("its size member is " + std::to_string(size) + "; at least " +
                        std::to_string(first_size) + " is needed",
                    "set size to sizeof the struct");
    }
    if (!image_.contains(address, size)) {
        return fail("its struct of " + std::to_string(size) + " bytes " + where +
                        " is outside of the file's segments",
                    "set size to sizeof the struct");
    }
    target = {};
    if (!image_.read(address, &target, std::min<std::size_t>(size, sizeof target))) {
        return fail("its struct " + where + " cannot be read", "");
    }
    return true;
}

bool DescriptorReader::read_address(const std::string& what, std::uint64_t slot, std::uint64_t& address) {
    ImagePointer pointer;
    if (!image_.pointer(slot, pointer)) return fail(what + " is outside of the file's segments", "");
    switch (pointer.kind) {
    case ImagePointer::Kind::null:
        return fail(what + " is NULL", "set it");
    case ImagePointer::Kind::outside:
        return fail(what + " points into another library",
                    "everything that a plugin declares must be constant data of its own");
    case ImagePointer::Kind::absolute:
        return fail(what + " is the number " + std::to_string(pointer.address) + ", not an address", "");
    case ImagePointer::Kind::inside:
        break;
    }
    address = pointer.address;
    return true;
}

bool DescriptorReader::read_array(const std::string& what, std::uint64_t slot, std::uint64_t& array) {
    if (!read_address(what, slot, array)) return false;
    return array % alignof(void*) == 0 || fail(what + " is not aligned", "");
}

bool DescriptorReader::read_text(const char* what, std::uint64_t slot, std::size_t limit, bool may_be_null,
                                 std::string& text) {
    ImagePointer pointer;
    if (may_be_null && image_.pointer(slot, pointer) && pointer.kind == ImagePointer::Kind::null) {
        text.clear();
        return true;
    }
    std::uint64_t address = 0;
    if (!read_address(what, slot, address)) return false;
    switch (image_.text(address, limit, text)) {
    case ElfImage::Text::outside:
        return fail(std::string(what) + " points outside of the file's segments", "");
    case ElfImage::Text::too_long:
        return fail(std::string(what) + " is longer than " + std::to_string(limit) + " bytes", "shorten it");
    case ElfImage::Text::good:
        break;
    }
    text_bytes_ += text.size();
    if (text_bytes_ > PluginLimits::all_texts_bytes) {
        return fail("its texts are together longer than " + std::to_string(PluginLimits::all_texts_bytes) +
                        " bytes",
                    "shorten them");
    }
    if (!is_printable_utf8(text)) {
        return fail(
            std::string(what) +
                " is not UTF-8 text without control characters and marks that turn the direction of writing",
            "correct it");
    }
    return true;
}

bool DescriptorReader::check_function(const char* what, std::uint64_t slot) {
    ImagePointer pointer;
    if (!image_.pointer(slot, pointer) || pointer.kind == ImagePointer::Kind::null ||
        pointer.kind == ImagePointer::Kind::absolute) {
        return fail(std::string(what) + " is not a function", "set it; it must not be NULL");
    }
    return true;
}

bool DescriptorReader::declare(std::uint64_t count) {
    declarations_ += count;
    if (declarations_ <= PluginLimits::declarations) return true;
    return fail("it declares more than " + std::to_string(PluginLimits::declarations) + " things in all",
                "split the plugin");
}

template <typename Description>
bool DescriptorReader::read_list(const char* what, std::uint64_t slot, std::uint32_t count,
                                 std::uint32_t limit,
                                 bool (DescriptorReader::*read_one)(std::uint64_t, Description&),
                                 std::vector<Description>& list) {
    if (count == 0) return true;
    if (count > limit) {
        return fail("it has " + std::to_string(count) + " entries in its list of " + what + "; at most " +
                        std::to_string(limit) + " are possible",
                    "split the plugin, or correct the count");
    }
    if (!declare(count)) return false;
    std::uint64_t array = 0;
    if (!read_array(std::string("its list of ") + what, slot, array)) return false;
    list.reserve(count);
    for (std::uint32_t index = 0; index < count; ++index) {
        const auto context = [&] { return std::string(what) + " " + std::to_string(index); };
        std::uint64_t address = 0;
        if (!read_address("the pointer to it", array + index * sizeof(void*), address)) {
            return inside(context());
        }
        Description& one = list.emplace_back();
        if (!(this->*read_one)(address, one)) {
            return inside(one.name.empty() ? context() : context() + " \"" + one.name + "\"");
        }
    }
    return true;
}

bool DescriptorReader::read_choices(std::uint64_t slot, std::uint32_t count,
                                    std::vector<std::string>& choices) {
    if (count == 0) return true;
    if (count > PluginLimits::choices) {
        return fail("it has " + std::to_string(count) + " choices; at most " +
                        std::to_string(PluginLimits::choices) + " are possible",
                    "correct choice_count");
    }
    if (!declare(count)) return false;
    std::uint64_t array = 0;
    if (!read_array("its list of choices", slot, array)) {
        return false;
    }
    choices.resize(count);
    for (std::uint32_t index = 0; index < count; ++index) {
        if (!read_text("the name", array + index * sizeof(char*), PluginLimits::name_bytes, false,
                       choices[index])) {
            return inside("choice " + std::to_string(index));
        }
    }
    return true;
}

bool DescriptorReader::read_property(std::uint64_t address, PropertyDescription& property) {
    plugbay_property raw{};
    if (!read_struct(address, first_property_size, raw)) return false;
    property.kind = raw.kind;
    property.flags = raw.flags;
    property.default_number = raw.default_number;
    property.minimum = raw.minimum;
    property.maximum = raw.maximum;
    return read_text("its name", address + offsetof(plugbay_property, name), PluginLimits::name_bytes, false,
                     property.name) &&
           read_text("its help", address + offsetof(plugbay_property, help), PluginLimits::text_bytes, false,
                     property.help) &&
           read_text("its default_text", address + offsetof(plugbay_property, default_text),
                     PluginLimits::text_bytes, true, property.default_text) &&
           read_choices(address + offsetof(plugbay_property, choices), raw.choice_count, property.choices);
}

bool DescriptorReader::read_port(std::uint64_t address, PortDescription& port) {
    plugbay_port raw{};
    if (!read_struct(address, first_port_size, raw)) return false;
    port.role = raw.role;
    port.flags = raw.flags;
    const std::uint64_t name = address + offsetof(plugbay_port, name);
    if (!read_text("its interface", address + offsetof(plugbay_port, interface), PluginLimits::name_bytes,
                   false, port.interface) ||
        !read_text("its name", name, PluginLimits::name_bytes, true, port.name)) {
        return false;
    }
    ImagePointer pointer;
    if (port.name.empty() && (!image_.pointer(name, pointer) || pointer.kind != ImagePointer::Kind::null)) {
        return fail("its name is an empty text", "use NULL for a port that is named like its device");
    }
    return read_list("option", address + offsetof(plugbay_port, options), raw.option_count,
                     PluginLimits::properties, &DescriptorReader::read_property, port.options);
}

bool DescriptorReader::read_type(std::uint64_t address, TypeDescription& type) {
    plugbay_device_type raw{};
    if (!read_struct(address, first_type_size, raw)) return false;
    type.flags = raw.flags;
    type.state_version = raw.state_version;
    type.state_version_oldest = raw.state_version_oldest;
    return read_text("its name", address + offsetof(plugbay_device_type, name), PluginLimits::name_bytes,
                     false, type.name) &&
           read_text("its help", address + offsetof(plugbay_device_type, help), PluginLimits::text_bytes,
                     false, type.help) &&
           check_function("create", address + offsetof(plugbay_device_type, create)) &&
           check_function("destroy", address + offsetof(plugbay_device_type, destroy)) &&
           check_function("reset", address + offsetof(plugbay_device_type, reset)) &&
           check_function("extension", address + offsetof(plugbay_device_type, extension)) &&
           read_list("property", address + offsetof(plugbay_device_type, properties), raw.property_count,
                     PluginLimits::properties, &DescriptorReader::read_property, type.properties) &&
           read_list("port", address + offsetof(plugbay_device_type, ports), raw.port_count,
                     PluginLimits::ports, &DescriptorReader::read_port, type.ports);
}

// These members have the same place in every version of the ABI.
bool DescriptorReader::read_magic_and_abi(std::uint64_t address, const plugbay_plugin& plugin) {
    if (plugin.magic != PLUGBAY_PLUGIN_MAGIC) {
        char magic[17];
        std::snprintf(magic, sizeof magic, "%016llx", static_cast<unsigned long long>(plugin.magic));
        return fail("its " PLUGBAY_PLUGIN_SYMBOL " starts with " + std::string(magic) +
                        " instead of PLUGBAY_PLUGIN_MAGIC",
                    plugin.magic == 0 ? "the object must be constant-initialised, not filled in at run time"
                                      : "the symbol must be an object of type struct plugbay_plugin");
    }
    if (plugin.abi_major == PLUGBAY_ABI_MAJOR && plugin.abi_minor <= PLUGBAY_ABI_MINOR) return true;
    std::string name;
    std::string who = "it";
    if (plugin.abi_major == PLUGBAY_ABI_MAJOR &&
        read_text("its name", address + offsetof(plugbay_plugin, name), PluginLimits::name_bytes, false,
                  name)) {
        who = "plugin \"" + name + "\"";
    }
    const std::string major = std::to_string(PLUGBAY_ABI_MAJOR);
    return fail(who + " was built for ABI " + std::to_string(plugin.abi_major) + "." +
                    std::to_string(plugin.abi_minor) + "; this plugbay speaks " + major + "." +
                    std::to_string(PLUGBAY_ABI_MINOR),
                plugin.abi_major < PLUGBAY_ABI_MAJOR
                    ? "rebuild it against sdk " + major + ".x, or use an older plugbay"
                    : "rebuild it against sdk " + major + "." + std::to_string(PLUGBAY_ABI_MINOR) +
                          ", or use a newer plugbay");
}

bool DescriptorReader::read_plugin(std::uint64_t address, PluginDescription& description) {
    plugbay_plugin raw{};
    if (!image_.read(address, &raw, offsetof(plugbay_plugin, name))) {
        return fail("its " PLUGBAY_PLUGIN_SYMBOL " is outside of the file's segments", "");
    }
    if (!read_magic_and_abi(address, raw)) return false;
    if (!read_struct(address, first_plugin_size, raw)) return inside(PLUGBAY_PLUGIN_SYMBOL);
    if (raw.reserved != 0) return fail("plugbay_plugin.reserved is not 0", "set it to 0");
    description.abi_major = raw.abi_major;
    description.abi_minor = raw.abi_minor;
    return read_text("the plugin's name", address + offsetof(plugbay_plugin, name), PluginLimits::name_bytes,
                     false, description.name) &&
           read_text("the plugin's version", address + offsetof(plugbay_plugin, version),
                     PluginLimits::name_bytes, false, description.version) &&
           read_text("the plugin's build_id", address + offsetof(plugbay_plugin, build_id),
                     PluginLimits::text_bytes, false, description.build_id) &&
           read_text("the plugin's licence", address + offsetof(plugbay_plugin, licence),
                     PluginLimits::text_bytes, false, description.licence) &&
           read_list("device type", address + offsetof(plugbay_plugin, types), raw.type_count,
                     PluginLimits::types, &DescriptorReader::read_type, description.types);
}

Error no_descriptor(ElfImage& image) {
    constexpr std::string_view family = "plugbay_plugin_v";
    for (const ExportedSymbol& symbol : image.exports()) {
        const std::string name = image.name(symbol);
        if (name.compare(0, family.size(), family) == 0 && is_printable_utf8(name)) {
            return Error{"exports " + name + ", but this plugbay needs " PLUGBAY_PLUGIN_SYMBOL,
                         "it was built for another ABI: rebuild it against sdk " +
                             std::to_string(PLUGBAY_ABI_MAJOR) + ".x, or use another plugbay"};
        }
    }
    return Error{"is a shared object but no plugin: it does not export " PLUGBAY_PLUGIN_SYMBOL,
                 "use the PLUGBAY_PLUGIN macro, and give the symbol C linkage and default visibility"};
}

std::vector<std::string> notes_on_exports(ElfImage& image, const ExportedSymbol& descriptor) {
    constexpr std::size_t most_named = 5;
    std::string names;
    std::size_t named = 0;
    std::size_t count = 0;
    bool unique = false;
    for (const ExportedSymbol& symbol : image.exports()) {
        if (&symbol == &descriptor) continue;
        unique = unique || symbol.is_unique;
        ++count;
        if (named == most_named) continue;
        const std::string name = image.name(symbol);
        if (name.compare(0, 11, "__odr_asan.") == 0) { // the address sanitizer's, one for each object
            --count;
        } else if (is_printable_utf8(name)) {
            names += " " + name;
            ++named;
        }
    }
    std::vector<std::string> notes;
    if (count != 0) {
        notes.push_back("It exports " + std::to_string(count) +
                        " symbols besides " PLUGBAY_PLUGIN_SYMBOL ":" + names +
                        (count > named ? " ..." : "") +
                        "; build it with -fvisibility=hidden, and hide static libraries with "
                        "-Wl,--exclude-libs,ALL.");
    }
    if (unique) notes.emplace_back("It exports a unique symbol, so it is never unloaded: hide it.");
    return notes;
}

Result<PluginDescription> read_image(const std::filesystem::path& file) {
    auto image = ElfImage::open(file);
    if (!image) return std::move(image).error();
    const ExportedSymbol* symbol = image->find_export(PLUGBAY_PLUGIN_SYMBOL);
    if (symbol == nullptr) return no_descriptor(*image);
    if (!symbol->is_data) {
        return Error{"exports " PLUGBAY_PLUGIN_SYMBOL " as something else than data",
                     "the symbol must be an object of type struct plugbay_plugin"};
    }
    PluginDescription description;
    DescriptorReader reader(*image);
    if (!reader.read_plugin(symbol->address, description)) {
        return with_context("cannot be used", reader.take_error());
    }
    if (auto done = check_description(description); !done) {
        return with_context("cannot be used", done.error());
    }
    description.notes = notes_on_exports(*image, *symbol);
    return description;
}

} // namespace

Result<PluginDescription> read_plugin_metadata(const std::filesystem::path& file) {
    return read_plugin_metadata(file, file);
}

Result<PluginDescription> read_plugin_metadata(const std::filesystem::path& copy,
                                               const std::filesystem::path& file) {
    auto description = read_image(copy);
    if (description) {
        description->file = file;
        return description;
    }
    Error error = std::move(description).error();
    error.message = file.string() + " " + error.message;
    return error;
}

} // namespace plugbay::core
