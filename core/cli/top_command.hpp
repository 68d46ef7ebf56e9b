// `plugbay top`: what a machine is doing, once a second.
#pragma once

#include <string>

namespace plugbay::core {

// Of the machine that `machine` names as for `plugbay ctl`. Fills the terminal until "q", Ctrl-C, or the machine's end; where
// standard output is no terminal, it writes one picture, of one second. Returns an exit_status.
[[nodiscard]] int top_command(const std::string& machine);

} // namespace plugbay::core
