// Names of plugbay_status values, for messages.
#pragma once

#include <plugbay/abi/base.h>

namespace plugbay::core {

[[nodiscard]] inline const char* status_name(plugbay_status status) {
    switch (status) {
    case PLUGBAY_OK:
        return "OK";
    case PLUGBAY_PENDING:
        return "PENDING";
    case PLUGBAY_FAILED:
        return "FAILED";
    case PLUGBAY_INVALID:
        return "INVALID";
    case PLUGBAY_TAKEN:
        return "TAKEN";
    case PLUGBAY_NOT_FOUND:
        return "NOT_FOUND";
    case PLUGBAY_STALE:
        return "STALE";
    case PLUGBAY_NO_MEMORY:
        return "NO_MEMORY";
    case PLUGBAY_FORBIDDEN:
        return "FORBIDDEN";
    case PLUGBAY_UNSUPPORTED:
        return "UNSUPPORTED";
    default:
        return "an unknown status";
    }
}

} // namespace plugbay::core
