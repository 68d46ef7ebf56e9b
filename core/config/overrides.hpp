// --set path=value: changes to a machine file's tree before anything is checked.
#pragma once

#include "core/config/located_value.hpp"
#include "core/config/reporter.hpp"

#include <span>
#include <string>

namespace plugbay::core {

// Applies each "path=value" in turn to `root`, an object. A path is names and [indices] joined by dots; below
// "devices" a name is a device's id. Values that are JSON are taken as such, all others as text. Missing
// objects on the way are made, devices and elements are not. What cannot be applied is reported and left out.
void apply_overrides(LocatedValue& root, std::span<const std::string> overrides, Reporter& reporter);

} // namespace plugbay::core
