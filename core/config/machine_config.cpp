#include "core/config/machine_config.hpp"

namespace plugbay::core {

std::string where(const MachineConfig& config, const SourcePosition& position) {
    if (position.override_number != 0 && position.override_number <= config.overrides.size()) {
        return config.file + ": --set " + config.overrides[position.override_number - 1];
    }
    if (position.line == 0) return config.file;
    return config.file + ':' + std::to_string(position.line) + ':' + std::to_string(position.column);
}

std::vector<plugbay_value> abi_values(std::span<const PropertyValue> values) {
    std::vector<plugbay_value> result;
    result.reserve(values.size());
    for (const auto& value : values) {
        result.push_back({.flags = value.given ? PLUGBAY_VALUE_GIVEN : 0,
                          .text_length = static_cast<std::uint32_t>(value.text.size()),
                          .number = value.number,
                          .text = value.text.c_str()});
    }
    return result;
}

} // namespace plugbay::core
