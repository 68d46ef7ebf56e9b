// `plugbay run` and `plugbay check`.
#pragma once

#include "core/cli/load_machine.hpp"
#include "core/cli/machine_control.hpp"

#include <iosfwd>

namespace plugbay::core {

struct RunOptions {
    ControlOptions control;
    bool paused = false; // --pause: the guest waits for `plugbay ctl resume`
};

// Makes the machine and runs it to its end. Returns an exit_status. The calling thread becomes the control
// thread.
[[nodiscard]] int run_command(const MachineArguments& arguments, const RunOptions& options);

// Validates the file and says so; `json`: writes the mistakes to `out`, as an array that may be empty. Creates
// nothing.
[[nodiscard]] int check_command(const MachineArguments& arguments, std::ostream& out, bool json);

} // namespace plugbay::core
