// The master device table as the validation and the schema see it.
#pragma once

#include "core/config/type_catalog.hpp"
#include "core/plugin/master_device_table.hpp"

#include <string_view>
#include <vector>

namespace plugbay::core {

// The table outlives the catalog.
class TableCatalog final : public TypeCatalog {
  public:
    explicit TableCatalog(const MasterDeviceTable& table) : table_(table) {}
    // Not for types that load() would refuse because two plugins provide them.
    [[nodiscard]] const TypeDescription* find(std::string_view name) const override;
    [[nodiscard]] std::vector<KnownType> known_types() const override;

  private:
    const MasterDeviceTable& table_;
};

} // namespace plugbay::core
