// The rules of abi/registers.h for what a plugin declares.
#pragma once

#include "core/base/result.hpp"
#include "core/plugin/register_description.hpp"

#include <vector>

namespace plugbay::core {

// The first broken rule, or success. The error says which block, register and field it is in.
[[nodiscard]] Result<void> check_registers(const std::vector<RegisterBlockDescription>& blocks);

} // namespace plugbay::core
