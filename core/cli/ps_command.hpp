// `plugbay ps`: this user's machines that run.
#pragma once

#include <iosfwd>
#include <string>

namespace plugbay::core {

// Lists those with a control socket in the usual folder; each has a second to answer. Returns an exit_status.
[[nodiscard]] int ps_command(std::ostream& out, bool json);

// "1d02h", "3h04m", "5m06s", "7s".
[[nodiscard]] std::string duration_text(double seconds);

} // namespace plugbay::core
