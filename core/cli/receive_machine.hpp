// `plugbay restore` from a stream: a machine that another process sends, or one that moves here.
#pragma once

#include "core/cli/restore_command.hpp"

namespace plugbay::core {

// Waits for the machine, makes it and runs it to its end. Returns an exit_status. The calling thread becomes the control
// thread.
[[nodiscard]] int receive_machine(const RestoreArguments& arguments, const RunOptions& options);

} // namespace plugbay::core
