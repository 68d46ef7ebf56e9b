#include "core/plugin/mapped_image.hpp"

#include "core/base/utf8.hpp"
#include "core/plugin/elf_image.hpp"

#include <link.h>

namespace plugbay::core {

namespace {

bool is_mapped(const std::string& file) {
    return ::dl_iterate_phdr(
               [](dl_phdr_info* info, std::size_t, void* wanted) {
                   return static_cast<int>(*static_cast<const std::string*>(wanted) == info->dlpi_name);
               },
               const_cast<std::string*>(&file)) != 0;
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

} // namespace plugbay::core
