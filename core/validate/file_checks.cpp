// The file, and what it says of itself.
#include "core/base/utf8.hpp"
#include "core/plugin/elf_image.hpp"
#include "core/plugin/loaded_plugin.hpp"
#include "core/plugin/mapped_image.hpp"
#include "core/plugin/metadata_reader.hpp"
#include "core/validate/check.hpp"

#include <plugbay/abi/access.h>
#include <plugbay/abi/doorbell.h>
#include <plugbay/abi/fd.h>
#include <plugbay/abi/firmware.h>
#include <plugbay/abi/host_event.h>
#include <plugbay/abi/hypercall.h>
#include <plugbay/abi/link.h>
#include <plugbay/abi/live.h>
#include <plugbay/abi/msr.h>
#include <plugbay/abi/pci.h>
#include <plugbay/abi/pci_bus.h>
#include <plugbay/abi/state.h>
#include <plugbay/abi/statistics.h>
#include <plugbay/abi/timer.h>
#include <plugbay/abi/worker.h>
#include <plugbay/testkit/plugin_file.hpp>

#include <array>
#include <dlfcn.h>
#include <thread>

namespace plugbay::core::validation {

namespace {

ElfImage image_of(const Trial& trial) {
    auto image = ElfImage::open(trial.file);
    if (!image) throw CheckFailed("the file " + image.error().message);
    return *std::move(image);
}

void is_readable(Trial& trial) {
    const auto description = read_plugin_metadata(trial.file);
    require(static_cast<bool>(description), description ? "" : description.error().text());
}

void exports_one_symbol(Trial& trial) {
    ElfImage image = image_of(trial);
    std::string others;
    for (const ExportedSymbol& symbol : image.exports()) {
        const std::string name = printable_text(image.name(symbol), 128);
        if (name != PLUGBAY_PLUGIN_SYMBOL) others += (others.empty() ? "" : ", ") + name;
    }
    require(others.empty(), "it exports " + others + " beside " PLUGBAY_PLUGIN_SYMBOL);
    require(image.find_export(PLUGBAY_PLUGIN_SYMBOL) != nullptr, "it does not export " PLUGBAY_PLUGIN_SYMBOL);
}

void has_no_unique_symbols(Trial& trial) {
    ElfImage image = image_of(trial);
    for (const ExportedSymbol& symbol : image.exports())
        require(!symbol.is_unique, "the symbol " + printable_text(image.name(symbol), 128) + " is unique");
}

// A sanitizer's run-time library comes with the process.
bool is_of_sanitizer(std::string_view name) {
    for (const std::string_view prefix : {"__asan_", "__ubsan_", "__tsan_", "__sanitizer_", "__lsan_"}) {
        if (name.starts_with(prefix)) return true;
    }
    return false;
}

// RTLD_NOW alone would not do: what the host happens to have loaded would satisfy it.
void brings_its_symbols(Trial& trial) {
    ElfImage image = image_of(trial);
    void* const plugin = ::dlopen(std::filesystem::absolute(trial.file).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (plugin == nullptr) throw CheckFailed(std::string("it cannot be loaded: ") + ::dlerror());
    std::vector<void*> libraries;
    for (const std::string& name : image.needed()) {
        if (void* const library = ::dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD))
            libraries.push_back(library);
    }
    std::string missing;
    for (const ImportedSymbol& symbol : image.imported()) {
        const std::string name = image.name(symbol);
        if (symbol.is_weak || symbol.has_version || is_of_sanitizer(name)) continue;
        bool found = false;
        for (void* const library : libraries)
            found = found || ::dlsym(library, name.c_str()) != nullptr;
        if (!found) missing += (missing.empty() ? "" : ", ") + printable_text(name, 128);
    }
    for (void* const library : libraries)
        ::dlclose(library);
    ::dlclose(plugin);
    require(missing.empty(), "no library that it names has " + missing + "; this host happens to have it");
}

void is_unloaded(Trial& trial) {
    { const testkit::PluginFile plugin(trial.file); }
    const auto why = still_mapped(trial.file);
    require(!why.has_value(), why ? "it stays in the process after dlclose: " + *why : "");
}

void is_ordinary_code(Trial& trial) {
    const ElfImage image = image_of(trial);
    require(!image.has_executable_stack(), "it makes the stacks of its process executable");
    require(!image.has_text_relocations(), "its code is written to when it is loaded");
}

void says_the_same_when_loaded(Trial& trial) {
    const auto loaded = LoadedPlugin::load(trial.file);
    require(static_cast<bool>(loaded), loaded ? "" : loaded.error().text());
}

void keeps_the_descriptors_rules(Trial& trial) {
    const testkit::PluginFile plugin(trial.file);
    for (std::uint32_t i = 0; i < plugin.plugin().type_count; ++i) {
        const plugbay_device_type& type = *plugin.plugin().types[i];
        for (const char* id :
             {"", "plugbay", "plugbay.access", "plugbay.access/", "plugbay.access/0", "plugbay.access/11"})
            require(type.extension(id) == nullptr,
                    std::string("type ") + type.name + " answers the extension id \"" + id + "\"");
    }
}

void is_labelled(Trial& trial) {
    const auto description = read_plugin_metadata(trial.file);
    if (!description) throw CheckSkipped("it cannot be read; see PB-FILE-001");
    if (description->licence.empty()) trial.warning("it names no licence: give an SPDX identifier");
    std::size_t dots = 0;
    bool digits = true;
    for (const char byte : description->version.substr(0, description->version.find_first_of("-+"))) {
        dots += byte == '.' ? 1 : 0;
        digits = digits && (byte == '.' || (byte >= '0' && byte <= '9'));
    }
    if (dots != 2 || !digits)
        trial.warning("its version \"" + description->version + "\" is not MAJOR.MINOR.PATCH (semver.org)");
}

// What every table begins with.
std::uint32_t table_size(const void* table) {
    return *static_cast<const std::uint32_t*>(table);
}

template <typename Table>
void require_functions(const plugbay_device_type& type, const char* id,
                       std::initializer_list<bool (*)(const Table&)> present) {
    const auto* table = static_cast<const Table*>(type.extension(id));
    if (table == nullptr) return;
    require(table_size(table) >= sizeof(Table),
            std::string("its ") + id + " table is smaller than ABI 1.0's");
    for (const auto each : present)
        require(each(*table), std::string("a function of its ") + id + " table is NULL");
}

void require_constant(const plugbay_device_type& type, const std::string& id) {
    const void* const table = type.extension(id.c_str());
    const void* elsewhere = nullptr;
    std::thread([&] { elsewhere = type.extension(id.c_str()); }).join();
    require(type.extension(id.c_str()) == table && elsewhere == table,
            "extension gives another table for " + id + " the second time");
    if (table != nullptr)
        require(table_size(table) >= 8 && table_size(table) <= 65536,
                "its " + id + " table says that it has " + std::to_string(table_size(table)) + " bytes");
}

void has_sound_tables(Trial& trial) {
    const testkit::PluginFile plugin(trial.file);
    const plugbay_device_type& type = *plugin.find(trial.type);
    for (const char* id : {PLUGBAY_ACCESS, PLUGBAY_DOORBELL, PLUGBAY_TIMER, PLUGBAY_FD, PLUGBAY_LINK,
                           PLUGBAY_STATE, PLUGBAY_STATISTICS, PLUGBAY_PCI, PLUGBAY_PCI_BUS, PLUGBAY_FIRMWARE,
                           PLUGBAY_MSR, PLUGBAY_HYPERCALL, PLUGBAY_WORKER, PLUGBAY_HOST_EVENT, PLUGBAY_LIVE})
        require_constant(type, id);
    require_functions<plugbay_access_callbacks>(type, PLUGBAY_ACCESS,
                                                {[](const auto& table) { return table.read != nullptr; },
                                                 [](const auto& table) { return table.write != nullptr; }});
    require_functions<plugbay_timer_callbacks>(type, PLUGBAY_TIMER,
                                               {[](const auto& table) { return table.expired != nullptr; }});
    require_functions<plugbay_state_callbacks>(type, PLUGBAY_STATE,
                                               {[](const auto& table) { return table.save != nullptr; },
                                                [](const auto& table) { return table.load != nullptr; }});
    require((type.state_version != 0) == (type.extension(PLUGBAY_STATE) != nullptr),
            "its state_version says otherwise than whether it has a " PLUGBAY_STATE " table");
    if (type.port_count != 0)
        require(type.extension(PLUGBAY_LINK) != nullptr, "it has ports and no " PLUGBAY_LINK " table");
    for (std::uint32_t i = 0; i < type.port_count; ++i) {
        const plugbay_port& port = *type.ports[i];
        const std::string id =
            std::string(port.interface) + (port.role == PLUGBAY_PORT_FRONTEND ? ".frontend" : ".backend");
        require_constant(type, id);
        require(type.extension(id.c_str()) != nullptr, "it has a port and no " + id + " table");
    }
}

constexpr std::array list{
    Check{"PB-FILE-001", "it can be read without being run",
          "everything that the descriptor reaches has to be constant data of the plugin; docs/plugin-file.md "
          "has the rules",
          Check::Scope::file, is_readable},
    Check{"PB-FILE-002", "it exports one symbol",
          "link it with the SDK's plugin.map (-Wl,--version-script), which plugbay_add_plugin does",
          Check::Scope::file, exports_one_symbol},
    Check{"PB-FILE-003", "it has no unique symbols",
          "build it with -fno-gnu-unique and the SDK's plugin.map: unique symbols are shared by all builds "
          "and pin the first",
          Check::Scope::file, has_no_unique_symbols},
    Check{"PB-FILE-004", "it brings or names all that it needs",
          "link it with -Wl,-z,defs and the libraries that it uses; it gets no symbol of the host",
          Check::Scope::file, brings_its_symbols},
    Check{"PB-FILE-005", "it is gone when it was unloaded",
          "remove what pins it: -z nodelete, unique symbols, a library that loads itself", Check::Scope::file,
          is_unloaded},
    Check{"PB-FILE-006", "its code and stacks are ordinary",
          "link it with -Wl,-z,noexecstack, mark assembler sources with .note.GNU-stack, and compile with "
          "-fPIC",
          Check::Scope::file, is_ordinary_code},
    Check{"PB-META-001", "it says the same in its file and in memory",
          "make the descriptor constant data, not something that a constructor fills in", Check::Scope::file,
          says_the_same_when_loaded},
    Check{"PB-META-002", "its descriptor keeps the ABI's rules",
          "plugbay/abi/plugin.h and property.h say what each member has to be", Check::Scope::file,
          keeps_the_descriptors_rules},
    Check{"PB-META-003", "it is labelled", "set version and licence in the descriptor", Check::Scope::file,
          is_labelled},
    Check{"PB-META-004", "its tables are constant and complete",
          "extension() returns the same static table each time, with every function of it set",
          Check::Scope::type, has_sound_tables},
};

} // namespace

std::span<const Check> file_checks() {
    return list;
}

} // namespace plugbay::core::validation
