#include "core/device/state_json.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace plugbay::core {

namespace {

using Json = nlohmann::ordered_json;

std::uint64_t number_of(std::span<const std::byte> element) {
    std::uint64_t value = 0;
    for (std::size_t i = element.size(); i-- > 0;)
        value = value << 8 | std::to_integer<std::uint64_t>(element[i]);
    return value;
}

Json element_json(std::uint32_t kind, std::span<const std::byte> element) {
    const std::uint64_t value = number_of(element);
    if (kind == PLUGBAY_FIELD_BOOLEAN) return value != 0;
    if (kind == PLUGBAY_FIELD_I64) return static_cast<std::int64_t>(value);
    return value;
}

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

const char* kind_name(std::uint32_t kind) {
    constexpr std::array<const char*, 8> names{"", "boolean", "u8", "u16", "u32", "u64", "i64", "text"};
    return names.at(kind); // of a decoded image, so it is one of these
}

} // namespace

nlohmann::ordered_json state_fields_json(const StateImage& image, std::uint64_t most) {
    Json fields = Json::array();
    for (const StateField& field : image.fields()) {
        Json json{{"name", field.name},
                  {"kind", kind_name(field.kind)},
                  {"optional", (field.flags & PLUGBAY_FIELD_OPTIONAL) != 0},
                  {"count", field.count}};
        if (field.kind == PLUGBAY_FIELD_TEXT) {
            json["value"] = text_of(image.elements(field));
        } else if (field.count == 1) {
            json["value"] = element_json(field.kind, image.elements(field));
        } else {
            json["value"] = Json::array();
            const std::size_t size = plugbay::detail::state_element_size(field.kind);
            for (std::uint64_t i = 0; i < std::min(field.count, most); ++i)
                json["value"].push_back(
                    element_json(field.kind, image.elements(field).subspan(i * size, size)));
        }
        fields.push_back(std::move(json));
    }
    return fields;
}

} // namespace plugbay::core
