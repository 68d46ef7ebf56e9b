// Reads a declared register map (abi/registers.h): from a file that may be hostile, or from the plugin in memory.
#pragma once

#include "core/plugin/descriptor_source.hpp"
#include "core/plugin/register_description.hpp"

#include <plugbay/abi/registers.h>

#include <cstdint>
#include <vector>

namespace plugbay::core {

// The struct plugbay_registers at `address`. False after source.fail().
bool read_registers(DescriptorSource& source, std::uint64_t address,
                    std::vector<RegisterBlockDescription>& blocks);

// Whether a loaded map, NULL for none, says what its file said.
[[nodiscard]] bool equal_registers(const plugbay_registers* loaded,
                                   const std::vector<RegisterBlockDescription>& described);

} // namespace plugbay::core
