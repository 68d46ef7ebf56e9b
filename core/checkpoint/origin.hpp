// Who writes a checkpoint, and when.
#pragma once

#include "core/checkpoint/manifest.hpp"

#include <string>

namespace plugbay::core {

// Fills the second part of a manifest with what every writer says of itself, and empties the rest of that part.
void fill_origin(Manifest& manifest, const std::string& id);

} // namespace plugbay::core
