#include "core/plugin/loaded_plugin.hpp"

#include "core/base/log.hpp"
#include "core/plugin/mapped_image.hpp"
#include "core/plugin/metadata_reader.hpp"
#include "core/plugin/register_reader.hpp"

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <optional>

namespace plugbay::core {

namespace {

bool equal(const char* loaded, const std::string& described) {
    return loaded != nullptr && described == loaded;
}

// Values are checked against the description, and used by the code.
bool equal_property(const plugbay_property& loaded, const PropertyDescription& described) {
    if (loaded.kind != described.kind || loaded.flags != described.flags ||
        loaded.default_number != described.default_number || loaded.minimum != described.minimum ||
        loaded.maximum != described.maximum || loaded.choice_count != described.choices.size() ||
        (loaded.choice_count != 0 && loaded.choices == nullptr) || !equal(loaded.name, described.name)) {
        return false;
    }
    if (loaded.default_text != nullptr ? described.default_text != loaded.default_text
                                       : !described.default_text.empty()) {
        return false;
    }
    for (std::uint32_t index = 0; index < loaded.choice_count; ++index) {
        if (!equal(loaded.choices[index], described.choices[index])) return false;
    }
    return true;
}

bool equal_properties(const plugbay_property* const* loaded, std::uint32_t count,
                      const std::vector<PropertyDescription>& described) {
    if (count != described.size() || (count != 0 && loaded == nullptr)) return false;
    for (std::uint32_t index = 0; index < count; ++index) {
        if (loaded[index] == nullptr || !equal_property(*loaded[index], described[index])) return false;
    }
    return true;
}

bool equal_ports(const plugbay_device_type& loaded, const TypeDescription& described) {
    if (loaded.port_count != described.ports.size() || (loaded.port_count != 0 && loaded.ports == nullptr)) {
        return false;
    }
    for (std::uint32_t index = 0; index < loaded.port_count; ++index) {
        const plugbay_port* port = loaded.ports[index];
        const PortDescription& expected = described.ports[index];
        const bool same_name =
            port != nullptr && (port->name != nullptr ? expected.name == port->name : expected.name.empty());
        if (!same_name || port->role != expected.role || port->flags != expected.flags ||
            !equal(port->interface, expected.interface) ||
            !equal_properties(port->options, port->option_count, expected.options)) {
            return false;
        }
    }
    return true;
}

const plugbay_registers* registers_of(const plugbay_device_type& loaded) {
    constexpr std::size_t end = offsetof(plugbay_device_type, declarations) + sizeof loaded.declarations;
    if (loaded.size < end || loaded.declarations == nullptr) return nullptr;
    for (std::uint32_t index = 0; index < loaded.declaration_count; ++index) {
        const plugbay_declaration& one = loaded.declarations[index];
        if (equal(one.id, PLUGBAY_REGISTERS)) return static_cast<const plugbay_registers*>(one.data);
    }
    return nullptr;
}

bool equal_type(const plugbay_device_type& loaded, const TypeDescription& described) {
    return equal(loaded.name, described.name) && loaded.flags == described.flags &&
           loaded.state_version == described.state_version &&
           loaded.state_version_oldest == described.state_version_oldest && loaded.create != nullptr &&
           loaded.destroy != nullptr && loaded.reset != nullptr && loaded.extension != nullptr &&
           equal_properties(loaded.properties, loaded.property_count, described.properties) &&
           equal_ports(loaded, described) && equal_registers(registers_of(loaded), described.register_blocks);
}

// What the host relies on after having read the description; the rest cannot do harm. Names the difference.
std::optional<std::string> difference(const plugbay_plugin& loaded, const PluginDescription& described) {
    if (loaded.magic != PLUGBAY_PLUGIN_MAGIC) return "the magic number";
    if (loaded.abi_major != described.abi_major || loaded.abi_minor != described.abi_minor) {
        return "the ABI version";
    }
    if (!equal(loaded.name, described.name)) return "the plugin's name";
    if (!equal(loaded.version, described.version)) return "the plugin's version";
    if (!equal(loaded.build_id, described.build_id)) return "the plugin's build id";
    if (loaded.type_count != described.types.size() || loaded.types == nullptr) return "the number of types";
    for (std::uint32_t index = 0; index < loaded.type_count; ++index) {
        if (loaded.types[index] == nullptr || !equal_type(*loaded.types[index], described.types[index])) {
            return "device type \"" + described.types[index].name + "\"";
        }
    }
    return std::nullopt;
}

// From the dynamic loader's text, which names the file or library that it is about.
Error load_error(const std::filesystem::path& file, const std::filesystem::path& copy, std::string text) {
    constexpr std::string_view undefined = "undefined symbol: ";
    if (const std::size_t at = text.find(undefined); at != std::string::npos) {
        const std::string symbol =
            text.substr(at + undefined.size(),
                        text.find_first_of(" ,\t(", at + undefined.size()) - at - undefined.size());
        return Error{file.string() + " cannot be loaded: it needs the symbol " + symbol +
                         ", which neither it nor a library that it links with defines",
                     "define " + symbol + " in the plugin or link its library; the host exports nothing"};
    }
    const std::string own_prefix = copy.string() + ": ";
    if (text.compare(0, own_prefix.size(), own_prefix) == 0) text.erase(0, own_prefix.size());
    std::string hint;
    if (text.find("cannot open shared object file") != std::string::npos) {
        hint = "install the library that is named, or link it into the plugin";
    } else if (text.find("not found (required by") != std::string::npos) {
        hint = "build the plugin on this system or an older one";
    } else if (text.find("failed to map segment") != std::string::npos) {
        hint = "the file system may be mounted noexec";
    }
    return Error{file.string() + " cannot be loaded: " + text, hint};
}

} // namespace

struct LoadedPlugin::Library {
    boost::dll::shared_library library;

    // As the dynamic loader calls it.
    [[nodiscard]] std::filesystem::path file() const {
        const link_map* map = nullptr;
        return ::dlinfo(library.native(), RTLD_DI_LINKMAP, &map) == 0 ? map->l_name : "";
    }
};

LoadedPlugin::LoadedPlugin(std::unique_ptr<Library> library, const plugbay_plugin& descriptor,
                           PluginDescription description)
    : library_(std::move(library)), descriptor_(&descriptor), description_(std::move(description)) {}

LoadedPlugin::~LoadedPlugin() {
    const std::filesystem::path mapped = image();
    library_.reset();
    const auto why = still_mapped(mapped);
    log_for(Subsystem::plugins)
        .debug("{} {} from {} {}", description_.name, description_.version, description_.file.string(),
               why ? "stays in memory: " + *why : "is unloaded");
}

std::string LoadedPlugin::build_id() const {
    return description_.build_id.empty() ? linker_build_id(descriptor_) : description_.build_id;
}

std::filesystem::path LoadedPlugin::image() const {
    return library_->file();
}

Result<std::shared_ptr<const LoadedPlugin>> LoadedPlugin::load(const std::filesystem::path& file) {
    const auto description = read_plugin_metadata(file);
    if (!description) return description.error();
    return load(*description);
}

Result<std::shared_ptr<const LoadedPlugin>> LoadedPlugin::load(const PluginDescription& description) {
    return load(description, description.file);
}

Result<std::shared_ptr<const LoadedPlugin>> LoadedPlugin::load(const PluginDescription& description,
                                                               const std::filesystem::path& copy) {
    namespace dll = boost::dll;
    auto library = std::make_unique<Library>();
    try {
        std::error_code failed;
        (void)::dlerror();
        // Boost.DLL alone would bind lazily: a missing symbol would end the process at its first call.
        library->library.load(copy, dll::load_mode::rtld_now | dll::load_mode::rtld_local, failed);
        if (failed || !library->library.is_loaded()) {
            const char* text = ::dlerror();
            return load_error(description.file, copy, text != nullptr ? text : failed.message());
        }
        if (!library->library.has(PLUGBAY_PLUGIN_SYMBOL)) {
            return Error{description.file.string() + " was loaded but has no " PLUGBAY_PLUGIN_SYMBOL,
                         "its symbol table is damaged, or the file was replaced: build it again"};
        }
        const auto& descriptor = library->library.get<const plugbay_plugin>(PLUGBAY_PLUGIN_SYMBOL);
        if (const auto differs = difference(descriptor, description)) {
            return Error{description.file.string() +
                             " says something else when loaded than in its file: " + *differs + " differs",
                         "the file was replaced meanwhile (try again), or its descriptor is not constant"};
        }
        log_for(Subsystem::plugins)
            .debug("{} {} is loaded from {}", description.name, description.version,
                   description.file.string());
        return std::shared_ptr<const LoadedPlugin>(
            new LoadedPlugin(std::move(library), descriptor, description));
    } catch (const std::exception& exception) {
        return Error{description.file.string() + " cannot be loaded: " + exception.what()};
    }
}

const plugbay_device_type* LoadedPlugin::find_type(std::string_view name) const {
    for (std::size_t index = 0; index < description_.types.size(); ++index) {
        if (description_.types[index].name == name) return descriptor_->types[index];
    }
    return nullptr;
}

const TypeDescription* LoadedPlugin::describe_type(std::string_view name) const {
    const auto found = std::ranges::find(description_.types, name, &TypeDescription::name);
    return found == description_.types.end() ? nullptr : &*found;
}

} // namespace plugbay::core
