// "plugbay validate": the conformance suite, for people and for programs.
#pragma once

#include "core/validate/validate.hpp"

#include <iosfwd>

namespace plugbay::core {

struct ValidateCommand {
    validation::ValidateOptions options;
    bool json = false;     // the keys are part of the command's interface
    bool list = false;     // what is checked, and nothing else
    bool findings = false; // only what did not pass, and the sum
};

// Returns the exit status.
[[nodiscard]] int validate_command(std::ostream& out, const ValidateCommand& command);

} // namespace plugbay::core
