// What `plugbay ctl` without a command opens: lines are commands, with completion and a history; events are shown as they
// come.
#pragma once

#include "core/cli/ctl/session.hpp"

#include <string>

namespace plugbay::core::ctl {

// On the terminal that standard input and output are. Ends with Ctrl-D, with "exit", or when the machine ends. Returns an
// exit_status.
[[nodiscard]] int run_prompt(Session& session, const std::string& machine, Style style);

// Without a terminal: each line of standard input is a command, until one fails.
[[nodiscard]] int run_lines(Session& session, Style style);

} // namespace plugbay::core::ctl
