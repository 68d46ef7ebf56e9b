// A descriptor that a device leaves for its next build: plugbay.handover/1.
#pragma once

#include <plugbay/unique_fd.hpp>

#include <string>

namespace plugbay::core {

struct LeftDescriptor {
    std::string name; // of the device's choice
    UniqueFd descriptor;
};

} // namespace plugbay::core
