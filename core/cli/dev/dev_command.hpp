// `plugbay dev`: what is saved in a plugin's folder is built, tested, and swapped into a machine that runs.
#pragma once

#include <string>

namespace plugbay::core {

struct DevOptions {
    std::string folder;
    std::string machine; // a machine file, to be run; empty: one is joined
    std::string socket;  // which: a name or a path; empty: the only one that runs
    std::string build;   // command lines of a shell; empty: CMake's or Make's, and their tests
    std::string test;
    bool despite_tests = false; // swaps what fails its tests
};

// Goes on until it is told to end. Returns an exit_status.
[[nodiscard]] int dev_command(const DevOptions& options);

} // namespace plugbay::core
