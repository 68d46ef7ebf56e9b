// A device type's declared registers, for people and for programs.
#pragma once

#include "core/plugin/register_description.hpp"

#include <nlohmann/json_fwd.hpp>

#include <iosfwd>
#include <vector>

namespace plugbay::core {

// A table a block, with the fields under their registers. Nothing when there are no blocks.
void print_registers(std::ostream& out, const std::vector<RegisterBlockDescription>& blocks);

[[nodiscard]] nlohmann::ordered_json registers_json(const std::vector<RegisterBlockDescription>& blocks);

} // namespace plugbay::core
