// `plugbay run` and `plugbay check`.
#pragma once

#include "core/cli/load_machine.hpp"

#include <iosfwd>

namespace plugbay::core {

// Makes the machine and runs it to its end. Returns an exit_status. The calling thread becomes the control
// thread.
[[nodiscard]] int run_command(const MachineArguments& arguments);

// Validates the file and says so; `json`: writes the mistakes to `out`, as an array that may be empty. Creates
// nothing.
[[nodiscard]] int check_command(const MachineArguments& arguments, std::ostream& out, bool json);

} // namespace plugbay::core
