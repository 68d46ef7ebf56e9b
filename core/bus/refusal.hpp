// Why a map does not take a range.
#pragma once

#include <plugbay/abi/base.h>

#include <string>

namespace plugbay::core {

struct Refusal {
    plugbay_status status;
    std::string why; // what was wanted, what was found, what to do
};

} // namespace plugbay::core
