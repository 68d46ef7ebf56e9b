// `plugbay ctl`: the control socket in a person's words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace plugbay::core {

struct CtlOptions {
    std::string machine;            // -m: a name or a socket's path; empty: the first word may be one
    bool json = false;              // results as they came
    std::vector<std::string> words; // empty: a prompt
};

// Returns an exit_status.
[[nodiscard]] int ctl_command(CtlOptions options);

// What may stand for `begun` in a shell, after these words of `plugbay ctl`. Asks running machines, which have a second to
// answer.
[[nodiscard]] std::vector<std::string> ctl_completions(std::vector<std::string> words,
                                                       std::string_view begun);

// The names of the machines in this user's folder of control sockets.
[[nodiscard]] std::vector<std::string> machine_names();

} // namespace plugbay::core
