// In the child of a rehearsal: what came to the device that runs is done again to the new build, and the answers compared.
#pragma once

#include <plugbay/abi/plugin.h>

#include <nlohmann/json.hpp>

#include <string_view>

namespace plugbay::core {

// Reports what comes of it and ends the process; what goes wrong in the device is thrown. `bytes` follow the request's line:
// the state at the beginning, the one at the end, the entries.
[[noreturn]] void replay(const nlohmann::json& request, const plugbay_device_type& type,
                         std::string_view bytes);

} // namespace plugbay::core
