// How the testkit says that something went wrong: it throws, so that a test case fails with the text.
#pragma once

#include <plugbay/abi/base.h>

#include <stdexcept>
#include <string>

namespace plugbay::testkit {

// A call that failed: a device that refused (status and text are its own), or a Bench used wrongly.
class Error : public std::runtime_error {
  public:
    explicit Error(const std::string& message, plugbay_status status = PLUGBAY_FAILED)
        : std::runtime_error(message), status_(status) {}
    [[nodiscard]] plugbay_status status() const noexcept { return status_; }

  private:
    plugbay_status status_;
};

// The plugin broke a rule of the ABI headers. Thrown at the end of the Bench call during which it did, unless
// BenchOptions::strict is off; see Bench::violations().
class ContractViolation : public Error {
  public:
    explicit ContractViolation(const std::string& message) : Error(message, PLUGBAY_INVALID) {}
};

// A status with the text that explains it.
struct Outcome {
    plugbay_status status = PLUGBAY_OK;
    std::string text;
    [[nodiscard]] explicit operator bool() const { return status >= 0; }
};

} // namespace plugbay::testkit
