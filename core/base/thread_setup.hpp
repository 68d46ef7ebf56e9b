// What each of the monitor's threads but the control thread begins with.
#pragma once

#include <string>

namespace plugbay::core {

// Names the calling thread (15 bytes are kept) and blocks its signals, which are the control thread's, but for crashes: one that is
// blocked would end the process past every handler.
void set_up_thread(const std::string& name);

} // namespace plugbay::core
