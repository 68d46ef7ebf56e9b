// Where the log goes.
#pragma once

#include "core/base/log_writer.hpp"
#include "core/base/result.hpp"

#include <string>

namespace plugbay::core {

// Each takes one record at a time and returns when it is written. `json`: one object a line.

// In colour on a terminal that has it.
[[nodiscard]] LogWriter::Target standard_error_target(bool json);
// Appends; makes the file when there is none, readable by its owner and group.
[[nodiscard]] Result<LogWriter::Target> file_target(const std::string& path, bool json);
// The system's log, under the name "plugbay" with the process's number.
[[nodiscard]] LogWriter::Target syslog_target(bool json);

} // namespace plugbay::core
