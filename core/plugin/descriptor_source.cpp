#include "core/plugin/descriptor_source.hpp"

#include "core/base/utf8.hpp"
#include "core/plugin/metadata_reader.hpp"

namespace plugbay::core {

bool DescriptorSource::read_address(const std::string& what, std::uint64_t slot, std::uint64_t& address) {
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

bool DescriptorSource::read_array(const std::string& what, std::uint64_t slot, std::uint64_t& array) {
    if (!read_address(what, slot, array)) return false;
    return array % alignof(void*) == 0 || fail(what + " is not aligned", "");
}

bool DescriptorSource::read_text(const char* what, std::uint64_t slot, std::size_t limit, bool may_be_null,
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

bool DescriptorSource::check_function(const char* what, std::uint64_t slot) {
    ImagePointer pointer;
    if (!image_.pointer(slot, pointer) || pointer.kind == ImagePointer::Kind::null ||
        pointer.kind == ImagePointer::Kind::absolute) {
        return fail(std::string(what) + " is not a function", "set it; it must not be NULL");
    }
    return true;
}

bool DescriptorSource::declare(std::uint64_t count) {
    declarations_ += count;
    if (declarations_ <= PluginLimits::declarations) return true;
    return fail("it declares more than " + std::to_string(PluginLimits::declarations) + " things in all",
                "split the plugin");
}

bool DescriptorSource::check_count(const char* what, std::uint32_t count, std::uint32_t limit) {
    if (count > limit) {
        return fail("it has " + std::to_string(count) + " entries in its list of " + what + "; at most " +
                        std::to_string(limit) + " are possible",
                    "split the plugin, or correct the count");
    }
    return declare(count);
}

} // namespace plugbay::core
