// All that can be known of a plugin from its file.
#pragma once

#include "core/base/result.hpp"

#include <filesystem>
#include <iosfwd>

namespace plugbay::core {

// No code of the plugin runs, so the file may be hostile. The error names the file.
[[nodiscard]] Result<void> inspect_plugin(std::ostream& out, const std::filesystem::path& file, bool json);

} // namespace plugbay::core
