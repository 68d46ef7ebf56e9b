// `plugbay run` and `plugbay check`.
#pragma once

#include "core/cli/load_machine.hpp"
#include "core/cli/machine_control.hpp"

#include <chrono>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace plugbay::core {

class Daemon;

struct RunOptions {
    ControlOptions control;
    bool paused = false;                              // --pause: the guest waits for `plugbay ctl resume`
    std::optional<std::chrono::seconds> timeout = {}; // how long the guest may run
    std::string gdb = {}; // --gdb: where a GDB server listens; the guest waits for the debugger. Empty: none
    std::vector<std::string> trace = {}; // --trace: devices whose accesses are told on standard error
    Daemon* daemon = nullptr;            // --daemon: told when the guest is about to run
};

// How a machine comes to be: new, or from a checkpoint, and then paused.
using MakeMachine = std::function<Result<std::unique_ptr<Machine>>(LoadedMachine& loaded)>;

// What is wrong in a machine file, on standard error: one mistake a line, with the source line below on a terminal.
void tell_mistakes(std::span<const Diagnostic> mistakes);

// Runs what `make` makes to its end; `goes_on`: from a checkpoint. Returns an exit_status. The calling thread becomes the
// control thread.
[[nodiscard]] int run_loaded(LoadedMachine& loaded, const MakeMachine& make, bool goes_on,
                             const RunOptions& options);

// Makes the machine and runs it to its end. Returns an exit_status. The calling thread becomes the control
// thread.
[[nodiscard]] int run_command(const MachineArguments& arguments, const RunOptions& options);

// Writes the machine that `run` would make, with nothing left to defaults, as a machine file. Creates nothing.
[[nodiscard]] int dry_run_command(const MachineArguments& arguments, std::ostream& out);

// Validates the file and says so; `json`: writes the mistakes to `out`, as an array that may be empty. Creates
// nothing.
[[nodiscard]] int check_command(const MachineArguments& arguments, std::ostream& out, bool json);

} // namespace plugbay::core
