// Standard input or output, used without ever blocking.
//
// O_NONBLOCK belongs to the open file description, which this process shares with its parent and siblings: a
// shell whose terminal we made non-blocking would see its own reads fail, and keep doing so after we are
// gone. So no flag of the inherited description is touched. Terminals and pipes are opened a second time,
// through /proc, which gives a description of our own; sockets have a flag for each call; regular files never
// block. Where the second opening is refused (another user's terminal) every transfer asks poll first.
#pragma once

#include <plugbay/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

class Stream {
  public:
    enum class Direction { read, write };
    enum class Outcome {
        moved,       // `bytes` bytes, at least one
        would_block, // try again when poll says so
        ended,       // end of input, or nobody is left to write to
    };
    struct Transfer {
        Outcome outcome;
        std::size_t bytes = 0;
        int error = 0; // errno, when an error ended it
    };

    Stream(int standard_descriptor, Direction direction);

    // To be watched; -1 when the process was started without one.
    [[nodiscard]] int descriptor() const { return descriptor_.get(); }

    Transfer read(std::span<std::uint8_t> bytes);
    Transfer write(std::span<const std::uint8_t> bytes);
    // Waits until write can move something, or `milliseconds` passed. For the very end only.
    void wait_writable(int milliseconds) const;

  private:
    enum class Method { direct, socket, poll_first };

    [[nodiscard]] bool ready(short events) const;

    plugbay::UniqueFd descriptor_;
    Method method_ = Method::direct;
    bool terminal_ = false;
    bool may_raise_sigpipe_ = false;
};
