#include "core/config/table_catalog.hpp"

namespace plugbay::core {

const TypeDescription* TableCatalog::find(std::string_view name) const {
    return table_.ambiguity(name) ? nullptr : table_.find(name);
}

std::vector<KnownType> TableCatalog::known_types() const {
    std::vector<KnownType> result;
    for (const auto& entry : table_.types()) {
        const auto ambiguous = table_.ambiguity(entry.type->name);
        result.push_back({.name = entry.type->name, .unavailable = ambiguous ? ambiguous->text() : ""});
    }
    for (const PluginRefusal& refusal : table_.refusals()) {
        for (const std::string& type : refusal.types) {
            if (table_.find(type) == nullptr)
                result.push_back({.name = type, .unavailable = refusal.error.text()});
        }
    }
    return result;
}

} // namespace plugbay::core
