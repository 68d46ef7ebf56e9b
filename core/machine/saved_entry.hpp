// What the machine file says that was saved with a machine. Nobody has checked it.
#pragma once

#include "core/checkpoint/manifest.hpp"

#include <string>
#include <string_view>

namespace plugbay::core {

// A member of `object` that is a text; "" where there is none.
[[nodiscard]] inline std::string text_in(const nlohmann::ordered_json& object, std::string_view name) {
    if (!object.is_object()) return {};
    const auto member = object.find(name);
    return member != object.end() && member->is_string() ? member->get<std::string>() : std::string();
}

// The entry of a device; nullptr: none.
[[nodiscard]] inline const nlohmann::ordered_json* saved_entry(const nlohmann::ordered_json& machine,
                                                               std::string_view id) {
    const auto devices = machine.find("devices");
    if (devices == machine.end() || !devices->is_array()) return nullptr;
    for (const auto& device : *devices) {
        if (text_in(device, "id") == id) return &device;
    }
    return nullptr;
}

} // namespace plugbay::core
