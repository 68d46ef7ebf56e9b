#include <plugbay/testkit/error.hpp>
#include <plugbay/testkit/plugin_file.hpp>

#include <dlfcn.h>
#include <elf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

namespace plugbay::testkit {
namespace {

void require(bool condition, const std::string& whose, const std::string& rule) {
    if (!condition) throw ContractViolation(whose + ": " + rule);
}

bool present(const char* text) {
    return text != nullptr && *text != '\0';
}

bool spelled(std::string_view text, std::string_view more) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || more.find(c) != std::string_view::npos;
    });
}

void check_property(const plugbay_property* property, const std::string& whose) {
    require(property != nullptr, whose, "a property is NULL");
    require(property->size >= sizeof(plugbay_property), whose, "a property's size is too small");
    require(present(property->name) && spelled(property->name, "_"), whose,
            "a property's name is not lower_case_with_underscores");
    const std::string name = whose + ", property \"" + property->name + "\"";
    for (const char* reserved : {"id", "type", "frontend"})
        require(std::string_view(property->name) != reserved, name, "the name is reserved");
    require(present(property->help), name, "has no help");
    require(property->kind >= PLUGBAY_PROPERTY_BOOLEAN && property->kind <= PLUGBAY_PROPERTY_CHOICE, name,
            "has an unknown kind");
    require((property->flags & ~(PLUGBAY_PROPERTY_REQUIRED | PLUGBAY_PROPERTY_LIVE)) == 0, name,
            "has unknown flags");
    if (property->kind == PLUGBAY_PROPERTY_CHOICE) {
        require(property->choice_count > 0 && property->choices != nullptr, name, "has no choices");
        for (std::uint32_t i = 0; i < property->choice_count; ++i)
            require(present(property->choices[i]), name, "has a choice without a name");
        require(property->maximum == property->choice_count - 1, name, "its maximum is not its last choice");
    }
    const bool is_signed = property->kind == PLUGBAY_PROPERTY_SIGNED;
    const auto at_most = [&](std::uint64_t a, std::uint64_t b) {
        return is_signed ? static_cast<std::int64_t>(a) <= static_cast<std::int64_t>(b) : a <= b;
    };
    require(at_most(property->minimum, property->maximum), name, "its minimum is above its maximum");
    if ((property->flags & PLUGBAY_PROPERTY_REQUIRED) != 0) return;
    const bool is_text = property->kind == PLUGBAY_PROPERTY_STRING || property->kind == PLUGBAY_PROPERTY_PATH;
    if (is_text) {
        const std::size_t length =
            property->default_text == nullptr ? 0 : std::strlen(property->default_text);
        require(length <= property->maximum, name, "its default is longer than its maximum");
    } else {
        require(at_most(property->minimum, property->default_number) &&
                    at_most(property->default_number, property->maximum),
                name, "its default is out of its range");
    }
}

void check_port(const plugbay_port* port, const std::string& whose) {
    require(port != nullptr, whose, "a port is NULL");
    require(port->size >= sizeof(plugbay_port), whose, "a port's size is too small");
    require(port->role == PLUGBAY_PORT_FRONTEND || port->role == PLUGBAY_PORT_BACKEND, whose,
            "a port has an unknown role");
    require((port->flags & ~PLUGBAY_PORT_OPTIONAL) == 0, whose, "a port has unknown flags");
    require(present(port->interface), whose, "a port has no interface");
    require(port->name == nullptr || spelled(port->name, "-_"), whose, "a port's name is malformed");
    require(port->option_count == 0 || port->options != nullptr, whose, "a port's options are NULL");
    for (std::uint32_t i = 0; i < port->option_count; ++i)
        check_property(port->options[i], whose);
}

// What was added to the struct later; older plugins are smaller.
constexpr std::size_t first_type_size = offsetof(plugbay_device_type, declaration_count);

void check_declarations(const plugbay_device_type& type, const std::string& whose) {
    if (type.size < sizeof(plugbay_device_type)) return;
    require(type.declaration_count == 0 || type.declarations != nullptr, whose, "its declarations are NULL");
    for (std::uint32_t i = 0; i < type.declaration_count; ++i)
        require(present(type.declarations[i].id) && type.declarations[i].data != nullptr, whose,
                "a declaration has no id or no data");
}

void check_type(const plugbay_device_type* type, const std::string& plugin) {
    require(type != nullptr, plugin, "a device type is NULL");
    require(type->size >= first_type_size, plugin, "a device type's size is too small");
    require(present(type->name) && spelled(type->name, "-"), plugin,
            "a type's name is not lower-case letters, digits and \"-\"");
    const std::string whose = plugin + ", type \"" + type->name + "\"";
    require(present(type->help), whose, "has no help");
    require((type->flags & ~PLUGBAY_DEVICE_CONCURRENT) == 0, whose, "has unknown flags");
    require(type->state_version_oldest <= type->state_version, whose,
            "state_version_oldest is above state_version");
    require(type->create != nullptr && type->destroy != nullptr && type->reset != nullptr &&
                type->extension != nullptr,
            whose, "create, destroy, reset or extension is NULL");
    require(type->property_count == 0 || type->properties != nullptr, whose, "its properties are NULL");
    require(type->port_count == 0 || type->ports != nullptr, whose, "its ports are NULL");
    for (std::uint32_t i = 0; i < type->property_count; ++i) {
        check_property(type->properties[i], whose);
        for (std::uint32_t j = 0; j < i; ++j)
            require(std::strcmp(type->properties[i]->name, type->properties[j]->name) != 0, whose,
                    std::string("declares the property \"") + type->properties[i]->name + "\" twice");
    }
    for (std::uint32_t i = 0; i < type->port_count; ++i)
        check_port(type->ports[i], whose);
    check_declarations(*type, whose);
    require(type->extension("com.example.unknown/1") == nullptr, whose,
            "extension answers an id that nobody defined");
}

void check_plugin(const plugbay_plugin& plugin, const std::string& file) {
    require(plugin.magic == PLUGBAY_PLUGIN_MAGIC, file, "the descriptor's magic number is wrong");
    require(plugin.size >= sizeof(plugbay_plugin), file, "the descriptor's size is too small");
    require(plugin.abi_major == PLUGBAY_ABI_MAJOR && plugin.abi_minor <= PLUGBAY_ABI_MINOR, file,
            "was built for another ABI");
    require(present(plugin.name) && present(plugin.version), file, "has no name or version");
    require(plugin.build_id != nullptr && plugin.licence != nullptr, file, "build_id or licence is NULL");
    require(plugin.reserved == 0, file, "reserved bits are set");
    require(plugin.type_count > 0 && plugin.types != nullptr, file, "has no device types");
    for (std::uint32_t i = 0; i < plugin.type_count; ++i)
        check_type(plugin.types[i], file);
}

template <typename T>
T object_at(const std::vector<char>& bytes, std::uint64_t offset) {
    T object{};
    if (offset > bytes.size() || sizeof(T) > bytes.size() - offset) throw Error("the ELF file is truncated");
    std::memcpy(&object, bytes.data() + offset, sizeof(T));
    return object;
}

} // namespace

PluginFile::PluginFile(const std::filesystem::path& file) : file_(file) {
    library_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) throw Error("cannot load " + file.string() + ": " + dlerror());
    plugin_ = static_cast<const plugbay_plugin*>(dlsym(library_, PLUGBAY_PLUGIN_SYMBOL));
    try {
        if (plugin_ == nullptr)
            throw Error(file.string() + " is not a plugin: it exports no " PLUGBAY_PLUGIN_SYMBOL);
        check_plugin(*plugin_, file.string());
    } catch (...) {
        dlclose(library_);
        throw;
    }
}

PluginFile::PluginFile(PluginFile&& other) noexcept
    : file_(std::move(other.file_)), library_(std::exchange(other.library_, nullptr)),
      plugin_(std::exchange(other.plugin_, nullptr)) {}

PluginFile::~PluginFile() {
    if (library_ != nullptr) dlclose(library_);
}

const plugbay_device_type* PluginFile::find(std::string_view type) const {
    for (std::uint32_t i = 0; i < plugin_->type_count; ++i) {
        if (type == plugin_->types[i]->name) return plugin_->types[i];
    }
    return nullptr;
}

std::vector<std::string> PluginFile::exported_symbols(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) throw Error("cannot open " + file.string());
    const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    const auto header = object_at<Elf64_Ehdr>(bytes, 0);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
        throw Error(file.string() + " is not a 64-bit ELF file");
    const auto section = [&](std::uint64_t index) {
        return object_at<Elf64_Shdr>(bytes, header.e_shoff + index * sizeof(Elf64_Shdr));
    };
    std::vector<std::string> names;
    for (unsigned i = 0; i < header.e_shnum; ++i) {
        const auto symbols = section(i);
        if (symbols.sh_type != SHT_DYNSYM) continue;
        const auto strings = section(symbols.sh_link);
        for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= symbols.sh_size; at += sizeof(Elf64_Sym)) {
            const auto symbol = object_at<Elf64_Sym>(bytes, symbols.sh_offset + at);
            if (symbol.st_shndx == SHN_UNDEF || ELF64_ST_BIND(symbol.st_info) == STB_LOCAL) continue;
            const std::uint64_t name = strings.sh_offset + symbol.st_name;
            if (name >= bytes.size()) throw Error("the ELF file is truncated");
            names.emplace_back(bytes.data() + name, strnlen(bytes.data() + name, bytes.size() - name));
        }
    }
    return names;
}

} // namespace plugbay::testkit
