// `plugbay run --daemon`: a machine in the background.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/unique_fd.hpp>

#include <memory>
#include <string>
#include <variant>

namespace plugbay::core {

// The background's side. Until it says that it is ready, whoever started it waits, and sees its standard error.
class Daemon {
  public:
    // Splits this process, which has one thread. In the background, a session of its own without input, it gives the Daemon;
    // in the foreground, when the background is ready or has ended, the exit_status to return. The foreground prints what the
    // background was ready as.
    [[nodiscard]] static Result<std::variant<std::unique_ptr<Daemon>, int>> split();

    // An error when nobody waits any more.
    [[nodiscard]] Result<void> awaited() const;
    // `name`: by which the machine is found. leave() follows, or, when nobody waits any more, there is an error.
    [[nodiscard]] Result<void> ready(const std::string& name);
    // From now on nothing is written to a terminal or pipe; standard output and error that are files stay.
    void leave();

  private:
    explicit Daemon(UniqueFd foreground) : foreground_(std::move(foreground)) {}

    UniqueFd foreground_; // a pipe
};

} // namespace plugbay::core
