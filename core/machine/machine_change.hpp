// What becomes of a machine and its devices, for whoever watches.
#pragma once

#include <cstdint>
#include <string>

namespace plugbay::core {

struct MachineChange {
    enum class Kind : std::uint8_t {
        paused,
        resumed,
        reset,
        device_added,   // `device`
        device_removed, // `device`
        device_swapped, // `device` has another build
        connected,      // ports `device`, the backend's, and `frontend`
        disconnected,   // the same
    };
    Kind kind;
    std::string device = {};
    std::string frontend = {};
};

} // namespace plugbay::core
