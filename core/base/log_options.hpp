// Levels of the log as people write them.
#pragma once

#include "core/base/log.hpp"

#include <string_view>

namespace plugbay::core {

// "warning" and so on; the error names the nearest.
[[nodiscard]] Result<LogLevel> read_log_level(std::string_view text);

// Takes "LEVEL" or "NAME=LEVEL" into `levels`; a later one for the same name replaces the earlier. The name may be that
// of a device that nobody knows yet.
[[nodiscard]] Result<void> add_log_level(LogLevels& levels, std::string_view text);

} // namespace plugbay::core
