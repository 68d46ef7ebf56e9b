#include "core/plugin/metadata_reader.hpp"

#include "core/base/utf8.hpp"
#include "core/plugin/description_check.hpp"
#include "core/plugin/descriptor_source.hpp"
#include "core/plugin/elf_image.hpp"
#include "core/plugin/register_reader.hpp"

#include <plugbay/abi/plugin.h>
#include <plugbay/abi/registers.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <utility>

namespace plugbay::core {

namespace {

struct DeclarationDescription {
    std::string name;
    std::uint64_t data = 0;
};

// The sizes that the structs had in ABI 1.0; they only grow.
constexpr std::uint32_t first_plugin_size = 64;
constexpr std::uint32_t first_type_size = 112;
constexpr std::uint32_t first_port_size = 40;
constexpr std::uint32_t first_property_size = 72;

// All members that are read were there in ABI 1.0; one that comes later is zero (NULL) in a struct that is too small to
// have it.
class DescriptorReader : public DescriptorSource {
  public:
    using DescriptorSource::DescriptorSource;

    bool read_plugin(std::uint64_t address, PluginDescription& description);

  private:
    bool read_type(std::uint64_t address, TypeDescription& type);
    bool read_declarations(std::uint64_t slot, std::uint32_t count, TypeDescription& type);
    bool read_port(std::uint64_t address, PortDescription& port);
    bool read_property(std::uint64_t address, PropertyDescription& property);
    bool read_choices(std::uint64_t slot, std::uint32_t count, std::vector<std::string>& choices);
    bool read_magic_and_abi(std::uint64_t address, const plugbay_plugin& plugin);
};

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
    if (port.name.empty() && (!image().pointer(name, pointer) || pointer.kind != ImagePointer::Kind::null)) {
        return fail("its name is an empty text", "use NULL for a port that is named like its device");
    }
    return read_list(
        "option", address + offsetof(plugbay_port, options), raw.option_count, PluginLimits::properties,
        [this](std::uint64_t at, PropertyDescription& one) { return read_property(at, one); }, port.options);
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
           read_list(
               "property", address + offsetof(plugbay_device_type, properties), raw.property_count,
               PluginLimits::properties,
               [this](std::uint64_t at, PropertyDescription& one) { return read_property(at, one); },
               type.properties) &&
           read_list(
               "port", address + offsetof(plugbay_device_type, ports), raw.port_count, PluginLimits::ports,
               [this](std::uint64_t at, PortDescription& one) { return read_port(at, one); }, type.ports) &&
           read_declarations(address + offsetof(plugbay_device_type, declarations), raw.declaration_count,
                             type);
}

// What this plugbay does not know is left alone.
bool DescriptorReader::read_declarations(std::uint64_t slot, std::uint32_t count, TypeDescription& type) {
    std::vector<DeclarationDescription> list;
    const auto read_one = [&](std::uint64_t at, const plugbay_declaration&, DeclarationDescription& one) {
        return read_text("its id", at + offsetof(plugbay_declaration, id), PluginLimits::name_bytes, false,
                         one.name) &&
               read_address("its data", at + offsetof(plugbay_declaration, data), one.data);
    };
    if (!read_elements<plugbay_declaration>("declaration", slot, count, PluginLimits::declarations_of_type,
                                            read_one, list))
        return false;
    bool has_registers = false;
    for (const DeclarationDescription& one : list) {
        if (one.name != PLUGBAY_REGISTERS) continue;
        if (std::exchange(has_registers, true))
            return fail("it declares " PLUGBAY_REGISTERS " twice", "remove one of them");
        if (!read_registers(*this, one.data, type.register_blocks))
            return inside("declaration \"" PLUGBAY_REGISTERS "\"");
    }
    return true;
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
    if (!image().read(address, &raw, offsetof(plugbay_plugin, name))) {
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
           read_list(
               "device type", address + offsetof(plugbay_plugin, types), raw.type_count, PluginLimits::types,
               [this](std::uint64_t at, TypeDescription& one) { return read_type(at, one); },
               description.types);
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
