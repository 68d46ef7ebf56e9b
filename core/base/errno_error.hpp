// An Error from errno, captured before anything else can change it.
#pragma once

#include "core/base/result.hpp"

#include <cerrno>
#include <string>
#include <system_error>

namespace plugbay::core {

// "what: No such file or directory". `error_number` defaults to the current errno.
[[nodiscard]] inline Error errno_error(const std::string& what, int error_number = errno,
                                       std::string hint = {}) {
    return Error{what + ": " + std::system_category().message(error_number), std::move(hint)};
}

} // namespace plugbay::core
