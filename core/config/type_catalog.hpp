// The device types that a machine file may name, as the validation and the schema see them.
#pragma once

#include "core/plugin/description.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

// A type known by name. `unavailable` says why find() has no description of it ("plugin x.so: needs
// ABI 1.3"); empty: it has.
struct KnownType {
    std::string name;
    std::string unavailable = {};
};

class TypeCatalog {
  public:
    virtual ~TypeCatalog() = default;

    // The description lives as long as the catalog; nullptr when there is none.
    [[nodiscard]] virtual const TypeDescription* find(std::string_view name) const = 0;
    [[nodiscard]] virtual std::vector<KnownType> known_types() const = 0;
    // Of the device `id` that is there already, of type `name`; which may be of another build than what find() is about.
    [[nodiscard]] virtual const TypeDescription* find_present([[maybe_unused]] std::string_view id,
                                                              std::string_view name) const {
        return find(name);
    }
};

// A catalog of what it is given.
class ListCatalog final : public TypeCatalog {
  public:
    explicit ListCatalog(std::vector<TypeDescription> types, std::vector<KnownType> unavailable = {})
        : types_(std::move(types)), unavailable_(std::move(unavailable)) {}

    [[nodiscard]] const TypeDescription* find(std::string_view name) const override {
        for (const auto& type : types_) {
            if (type.name == name) return &type;
        }
        return nullptr;
    }

    [[nodiscard]] std::vector<KnownType> known_types() const override {
        std::vector<KnownType> names;
        for (const auto& type : types_)
            names.push_back({type.name});
        names.insert(names.end(), unavailable_.begin(), unavailable_.end());
        return names;
    }

  private:
    std::vector<TypeDescription> types_;
    std::vector<KnownType> unavailable_;
};

} // namespace plugbay::core
