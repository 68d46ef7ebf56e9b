#include "core/plugin/mapped_image.hpp"

#include "core/base/utf8.hpp"
#include "core/plugin/elf_image.hpp"

#include <cstdint>
#include <cstring>
#include <fmt/format.h>
#include <link.h>
#include <span>

namespace plugbay::core {

namespace {

bool is_mapped(const std::string& file) {
    return ::dl_iterate_phdr(
               [](dl_phdr_info* info, std::size_t, void* wanted) {
                   return static_cast<int>(*static_cast<const std::string*>(wanted) == info->dlpi_name);
               },
               const_cast<std::string*>(&file)) != 0;
}

struct BuildIdSearch {
    std::uintptr_t address;
    std::string id = {};
};

bool holds(const dl_phdr_info& object, std::uintptr_t address) {
    for (const auto& segment : std::span(object.dlpi_phdr, object.dlpi_phnum)) {
        const std::uintptr_t start = object.dlpi_addr + segment.p_vaddr;
        if (segment.p_type == PT_LOAD && address - start < segment.p_memsz) return true;
    }
    return false;
}

// Notes: name and contents are each padded to 4 bytes (System V ABI, "Note Section").
void read_build_id(std::span<const std::byte> notes, std::string& id) {
    const auto padded = [](std::size_t size) { return (size + 3) / 4 * 4; };
    while (notes.size() >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note{};
        std::memcpy(&note, notes.data(), sizeof note);
        notes = notes.subspan(sizeof note);
        const std::size_t name = padded(note.n_namesz), size = padded(note.n_descsz);
        if (name > notes.size() || size > notes.size() - name) return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            std::memcmp(notes.data(), "GNU", 4) == 0) {
            for (const std::byte byte : notes.subspan(name, note.n_descsz))
                id += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
            return;
        }
        notes = notes.subspan(name + size);
    }
}

std::string first_unique_export(ElfImage& image) {
    for (const ExportedSymbol& symbol : image.exports()) {
        if (symbol.is_unique) return printable_text(image.name(symbol));
    }
    return {};
}

} // namespace

std::optional<std::string> still_mapped(const std::filesystem::path& file) {
    if (!is_mapped(file.string())) return std::nullopt;
    if (auto image = ElfImage::open(file)) {
        if (image->is_never_unloaded()) return "it is linked with -z nodelete";
        if (const std::string name = first_unique_export(*image); !name.empty()) {
            return "it exports the unique symbol " + name +
                   ": build it with -fvisibility=hidden, or with -fno-gnu-unique";
        }
        if (image->imports("__cxa_thread_atexit") || image->imports("__cxa_thread_atexit_impl")) {
            return "it has thread_local objects with destructors, and a thread that used them has not ended";
        }
    }
    return "somebody else has it loaded, or it has loaded itself";
}

std::string linker_build_id(const void* address) {
    BuildIdSearch search{.address = reinterpret_cast<std::uintptr_t>(address)};
    ::dl_iterate_phdr(
        [](dl_phdr_info* object, std::size_t, void* context) {
            auto& wanted = *static_cast<BuildIdSearch*>(context);
            if (!holds(*object, wanted.address)) return 0;
            for (const auto& segment : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
                if (segment.p_type != PT_NOTE || !wanted.id.empty()) continue;
                const auto* const notes =
                    reinterpret_cast<const std::byte*>(object->dlpi_addr + segment.p_vaddr);
                read_build_id({notes, segment.p_memsz}, wanted.id);
            }
            return 1;
        },
        &search);
    return search.id;
}

} // namespace plugbay::core
