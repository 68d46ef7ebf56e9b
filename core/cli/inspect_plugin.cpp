#include "core/cli/inspect_plugin.hpp"

#include "core/base/utf8.hpp"
#include "core/cli/plugin_text.hpp"
#include "core/plugin/description_check.hpp"
#include "core/plugin/elf_image.hpp"
#include "core/plugin/metadata_reader.hpp"

#include <plugbay/abi/plugin.h>

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <string_view>

namespace plugbay::core {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t longest_symbol = 256;

// Of the file itself, beside what the plugin declares.
struct FileFacts {
    std::uint64_t size = 0;
    std::string note_id;
    std::vector<std::string> libraries;
    std::vector<std::string> exports;
    std::vector<std::string> unique;
    std::vector<std::string> imports;
    std::vector<std::string> undefined; // of the imports: no library with versions had it at link time
    std::vector<std::string> extensions;
    std::vector<std::string> pins;   // what keeps it in a process after its devices
    std::vector<std::string> faults; // what a host's process would suffer from
};

template <typename Symbol>
std::string symbol_text(ElfImage& image, const Symbol& symbol) {
    return printable_text(image.name(symbol), longest_symbol);
}

// Ids of host extensions, "plugbay.timer/1", that are in its data. Which of them its code uses only the code knows.
std::vector<std::string> extension_ids(ElfImage& image) {
    std::vector<std::string> ids = image.texts_with_prefix("plugbay.", PluginLimits::name_bytes);
    std::erase_if(ids, [](const std::string& text) { return !is_interface_id(text); });
    return ids;
}

void find_pins(ElfImage& image, FileFacts& facts) {
    if (image.is_never_unloaded()) facts.pins.emplace_back("it is linked with -z nodelete");
    for (const std::string& name : facts.unique)
        facts.pins.push_back(fmt::format("it exports the unique symbol {}", name));
    if (image.imports("__cxa_thread_atexit") || image.imports("__cxa_thread_atexit_impl"))
        facts.pins.emplace_back(
            "it has thread_local objects with destructors: each thread that used one pins it "
            "until it ends");
    if (image.has_executable_stack())
        facts.faults.emplace_back("it makes the stacks of its process executable");
    if (image.has_text_relocations()) facts.faults.emplace_back("its code is written to when it is loaded");
}

Result<FileFacts> file_facts(const std::filesystem::path& file) {
    auto image = ElfImage::open(file);
    if (!image) return Error{file.string() + " " + image.error().message, image.error().hint};
    FileFacts facts;
    facts.size = image->file_size();
    facts.note_id = image->note_id();
    for (const std::string& library : image->needed())
        facts.libraries.push_back(printable_text(library, longest_symbol));
    for (const ExportedSymbol& symbol : image->exports()) {
        facts.exports.push_back(symbol_text(*image, symbol));
        if (symbol.is_unique) facts.unique.push_back(facts.exports.back());
    }
    for (const ImportedSymbol& symbol : image->imported()) {
        facts.imports.push_back(symbol_text(*image, symbol));
        if (!symbol.is_weak && !symbol.has_version) facts.undefined.push_back(facts.imports.back());
    }
    for (auto* names : {&facts.exports, &facts.unique, &facts.imports, &facts.undefined})
        std::ranges::sort(*names);
    facts.extensions = extension_ids(*image);
    find_pins(*image, facts);
    return facts;
}

Json inspection_json(const PluginDescription& plugin, const FileFacts& facts) {
    Json json = plugin_json(plugin);
    json["size"] = facts.size;
    json["note_id"] = facts.note_id;
    json["libraries"] = facts.libraries;
    json["exports"] = facts.exports;
    json["unique"] = facts.unique;
    json["imports"] = facts.imports;
    json["undefined"] = facts.undefined;
    json["extensions"] = facts.extensions;
    json["pins"] = facts.pins;
    json["faults"] = facts.faults;
    json["types"] = Json::array();
    for (const TypeDescription& type : plugin.types)
        json["types"].push_back(type_json(type));
    return json;
}

std::string list_text(const std::vector<std::string>& names, std::string_view nothing) {
    if (names.empty()) return std::string(nothing);
    std::string text;
    for (const std::string& name : names)
        text += (text.empty() ? "" : ", ") + name;
    return text;
}

void print_inspection(std::ostream& out, const PluginDescription& plugin, const FileFacts& facts) {
    out << plugin.name << ' ' << plugin.version << '\n';
    std::vector<std::vector<std::string>> rows = {
        {"File:", fmt::format("{}, {} bytes", printable_text(plugin.file.string()), facts.size)},
        {"Build:", build_text(plugin)},
        {"Linker's id:", facts.note_id.empty() ? "none" : facts.note_id},
        {"Libraries:", list_text(facts.libraries, "none")},
        {"Exports:", list_text(facts.exports, "nothing")},
        {"Imports:", fmt::format("{} symbols", facts.imports.size())},
        {"Extensions:", list_text(facts.extensions, "none")}};
    if (!facts.undefined.empty()) rows.push_back({"No version:", list_text(facts.undefined, "")});
    if (facts.pins.empty()) rows.push_back({"Unloading:", "nothing in the file prevents it"});
    for (const std::string& pin : facts.pins)
        rows.push_back({"Unloading:", "prevented: " + pin});
    for (const std::string& fault : facts.faults)
        rows.push_back({"Fault:", fault});
    for (const std::string& note : plugin.notes)
        rows.push_back({"Note:", note});
    print_table(out, "", rows);
    for (const TypeDescription& type : plugin.types) {
        out << '\n' << type.name << ": " << type.help << '\n' << "State:  " << state_text(type) << '\n';
        if ((type.flags & PLUGBAY_DEVICE_CONCURRENT) != 0)
            out << "Calls:  may come from several threads at once\n";
        print_declarations(out, type);
    }
}

} // namespace

Result<void> inspect_plugin(std::ostream& out, const std::filesystem::path& file, bool json) {
    const auto plugin = read_plugin_metadata(file);
    if (!plugin) return plugin.error();
    const auto facts = file_facts(file);
    if (!facts) return facts.error();
    if (json)
        print_json(out, inspection_json(*plugin, *facts));
    else
        print_inspection(out, *plugin, *facts);
    return {};
}

} // namespace plugbay::core
