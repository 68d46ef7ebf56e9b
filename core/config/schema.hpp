// A JSON Schema of machine files, for editors.
#pragma once

#include "core/config/type_catalog.hpp"

#include <nlohmann/json_fwd.hpp>

namespace plugbay::core {

// Draft 2020-12. Describes every type of the catalog that has a description. Editors see with it what
// validate() checks in one place of the file; what relates two places (ids, frontends) stays validate()'s.
[[nodiscard]] nlohmann::ordered_json machine_schema(const TypeCatalog& catalog);

} // namespace plugbay::core
