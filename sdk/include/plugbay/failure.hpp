// How a device's C++ code says that something cannot be done: it throws Failure. The glue catches it at the
// boundary and hands status and text to the host; no exception crosses.
#pragma once

#include <plugbay/abi/base.h>

#include <exception>
#include <string>
#include <utility>

namespace plugbay {

class Failure : public std::exception {
  public:
    // `message`: what was wanted, what was found, what to do.
    explicit Failure(std::string message, plugbay_status status = PLUGBAY_FAILED)
        : message_(std::move(message)), status_(status) {}
    // For a host call that failed: the host knows the reason already.
    explicit Failure(plugbay_status status) : status_(status) {}

    [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }
    [[nodiscard]] plugbay_status status() const noexcept { return status_; }

  private:
    std::string message_;
    plugbay_status status_;
};

// Throws Failure unless `status` is a success.
inline void check(plugbay_status status) {
    if (status < 0) throw Failure(status);
}

} // namespace plugbay
