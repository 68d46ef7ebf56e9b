// `plugbay doctor`: says what this machine can run and what to do about the rest.
#pragma once

#include <ostream>

namespace plugbay::core {

// Writes a report for people, or with `json` one JSON object, to `out`. Exit status: 0 when KVM is full (an
// unmodified Linux can run), 1 otherwise. Runs tiny guests for about a second; cannot hang.
[[nodiscard]] int doctor_command(std::ostream& out, bool json);

} // namespace plugbay::core
