// `plugbay rehearse`, what rehearse() starts: the process in which a plugin may do what it likes. No part of the command's
// interface.
#pragma once

namespace plugbay::core {

// Does what the request says, reports, and ends the process with no destructor called: one of the plugin's might remove
// what belongs to the running device. Returns only, with an exit status, when nothing was asked.
[[nodiscard]] int rehearse_as_child();

} // namespace plugbay::core
