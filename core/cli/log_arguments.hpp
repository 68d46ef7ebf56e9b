// The options of the log, which stand before the command.
#pragma once

#include "core/base/log.hpp"

#include <CLI/CLI.hpp>

namespace plugbay::core {

// `options` outlives the parsing.
void add_log_arguments(CLI::App& app, LogOptions& options);

} // namespace plugbay::core
