// What `plugbay` returns to the shell. Part of the command's interface; docs/cli.md lists them.
#pragma once

namespace plugbay::core::exit_status {

inline constexpr int success = 0;       // the guest powered off, or reset with "on_reset": "exit"
inline constexpr int failure = 1;       // the machine could not be made or run, or refused a command
inline constexpr int usage = 2;         // the command line or the machine file is wrong
inline constexpr int guest_failure = 3; // triple fault, KVM internal error
inline constexpr int no_machine = 4;    // no such machine is running, or it is not clear which one is meant
inline constexpr int timeout = 124;     // --timeout ended the run; the status of timeout(1)
inline constexpr int signal_base = 128; // plus the signal's number

} // namespace plugbay::core::exit_status
