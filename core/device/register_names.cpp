#include "core/device/register_names.hpp"

#include <plugbay/abi/registers.h>

#include <fmt/format.h>

#include <algorithm>

namespace plugbay::core {

namespace {

std::uint64_t low_bits(std::uint64_t bits) {
    return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

bool takes_part(const RegisterDescription& one, bool is_write) {
    return one.access != (is_write ? PLUGBAY_REGISTER_READ_ONLY : PLUGBAY_REGISTER_WRITE_ONLY);
}

// Elements of `one` that bytes [start, end) touch.
void add_parts(std::vector<RegisterPart>& parts, const RegisterDescription& one, std::uint64_t start,
               std::uint64_t end) {
    std::uint64_t element = start > one.offset ? (start - one.offset) / one.stride : 0;
    for (; element < one.count && one.offset + element * one.stride < end; ++element) {
        const std::uint64_t first = one.offset + element * one.stride;
        const std::uint64_t from = std::max(start, first);
        const std::uint64_t to = std::min(end, first + one.width);
        if (from >= to) continue;
        parts.push_back({.whole = &one,
                         .element = element,
                         .first_byte = static_cast<std::uint32_t>(from - first),
                         .bytes = static_cast<std::uint32_t>(to - from),
                         .access_byte = static_cast<std::uint32_t>(from - start)});
    }
}

bool share_a_place(const RegisterPart& one, const RegisterPart& other) {
    return one.access_byte == other.access_byte && one.bytes == other.bytes;
}

std::string part_name(const RegisterPart& part) {
    std::string name = part.whole->name;
    if (part.whole->count > 1) name += fmt::format("[{}]", part.element);
    if (part.bytes == part.whole->width) return name;
    if (part.bytes == 1) return name + fmt::format(" byte {}", part.first_byte);
    return name + fmt::format(" bytes {} to {}", part.first_byte, part.first_byte + part.bytes - 1);
}

// Calls `each` with the parts that share a place, place after place.
template <typename Each>
void for_each_place(const std::vector<RegisterPart>& parts, Each each) {
    for (auto first = parts.begin(); first != parts.end();) {
        const auto last = std::find_if(
            first, parts.end(), [&](const RegisterPart& part) { return !share_a_place(*first, part); });
        each(first, last);
        first = last;
    }
}

template <typename Part>
std::string place_name(Part first, Part last) {
    std::string name = part_name(*first);
    while (++first != last)
        name += " or " + part_name(*first);
    return name;
}

void append(std::string& list, const std::string& text) {
    if (!list.empty()) list += ", ";
    list += text;
}

std::uint64_t bits_of(const RegisterFieldDescription& field, std::uint64_t value) {
    return value >> field.first_bit & low_bits(field.bit_count);
}

const RegisterValueDescription* name_of(const RegisterFieldDescription& field, std::uint64_t number) {
    const auto found = std::ranges::find(field.values, number, &RegisterValueDescription::value);
    return found == field.values.end() ? nullptr : &*found;
}

std::string number_text(const RegisterFieldDescription& field, std::uint64_t number) {
    if (const RegisterValueDescription* named = name_of(field, number)) return named->name;
    return number < 10 ? fmt::format("{}", number) : fmt::format("{:#x}", number);
}

// Of the fields that are among `known` bits.
std::string fields_of(const RegisterDescription& one, std::uint64_t value, std::uint64_t known) {
    std::string text;
    for (const RegisterFieldDescription& field : one.fields) {
        const std::uint64_t number = bits_of(field, value);
        if (bits_of(field, known) != low_bits(field.bit_count)) continue;
        if (number == 0 && name_of(field, 0) == nullptr) continue;
        append(text, field.name + "=" + number_text(field, number));
    }
    return text;
}

} // namespace

const std::vector<RegisterBlockDescription>& registers_of(const LoadedType& type) {
    static const std::vector<RegisterBlockDescription> none;
    const TypeDescription* described = type.plugin ? type.plugin->describe_type(type.type->name) : nullptr;
    return described != nullptr ? described->register_blocks : none;
}

std::vector<RegisterPart> registers_at(const std::vector<RegisterBlockDescription>& blocks,
                                       const RegisterAccess& access) {
    std::vector<RegisterPart> parts;
    for (const RegisterBlockDescription& block : blocks) {
        if ((block.flags & PLUGBAY_REGISTER_BLOCK_INDIRECT) != 0 || block.token != access.token) continue;
        if (access.offset >= block.length) continue;
        const std::uint64_t end =
            access.offset + std::min<std::uint64_t>(access.width, block.length - access.offset);
        for (const RegisterDescription& one : block.registers) {
            if (takes_part(one, access.is_write)) add_parts(parts, one, access.offset, end);
        }
    }
    std::ranges::stable_sort(parts, {}, &RegisterPart::access_byte);
    return parts;
}

std::string register_name(const std::vector<RegisterBlockDescription>& blocks, const RegisterAccess& access) {
    std::string names;
    for_each_place(registers_at(blocks, access),
                   [&](auto first, auto last) { append(names, place_name(first, last)); });
    return names;
}

std::string register_text(const std::vector<RegisterBlockDescription>& blocks, const RegisterAccess& access,
                          std::uint64_t value) {
    std::string text;
    for_each_place(registers_at(blocks, access), [&](auto first, auto last) {
        const std::uint64_t part = value >> (8 * first->access_byte) & low_bits(8 * first->bytes);
        const std::uint32_t shift = 8 * first->first_byte;
        std::string one = place_name(first, last) + fmt::format("={:#0{}x}", part, 2 + 2 * first->bytes);
        if (last - first == 1) {
            const std::string fields =
                fields_of(*first->whole, part << shift, low_bits(8 * first->bytes) << shift);
            if (!fields.empty()) one += " (" + fields + ")";
        }
        append(text, one);
    });
    return text;
}

std::string field_text(const RegisterDescription& one, std::uint64_t value) {
    return fields_of(one, value, ~std::uint64_t{0});
}

std::string field_differences(const RegisterDescription& one, std::uint64_t before, std::uint64_t after) {
    std::string text;
    for (const RegisterFieldDescription& field : one.fields) {
        const std::uint64_t was = bits_of(field, before);
        const std::uint64_t is = bits_of(field, after);
        if (was != is)
            append(text, field.name + " " + number_text(field, was) + " became " + number_text(field, is));
    }
    return text;
}

const RegisterDescription* register_of_state(const std::vector<RegisterBlockDescription>& blocks,
                                             std::string_view state_field) {
    for (const RegisterBlockDescription& block : blocks) {
        const auto found = std::ranges::find(block.registers, state_field, &RegisterDescription::state);
        if (!state_field.empty() && found != block.registers.end()) return &*found;
    }
    return nullptr;
}

} // namespace plugbay::core
