// One direction of a descriptor that waits, with an end to the waiting: pipes, sockets, terminals, files.
#pragma once

#include "core/base/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <plugbay/unique_fd.hpp>
#include <span>
#include <vector>

namespace plugbay::core {

struct StreamPatience {
    std::chrono::milliseconds idle{30'000}; // without a byte moving
    int cancel = -1; // ends everything once it is readable: an eventfd, or a timerfd as a deadline
};

// The descriptor is the caller's and keeps its flags. SIGPIPE is ignored by the process.
class StreamChannel {
  public:
    StreamChannel(int file, StreamPatience patience);

    // All of it, or an error that names the place in the stream.
    [[nodiscard]] Result<void> write(std::span<const std::byte> bytes);
    [[nodiscard]] Result<void> read(std::span<std::byte> bytes);
    // Over a Unix socket: duplicates of some descriptors, at least one, which go with a byte of their own.
    [[nodiscard]] Result<void> write_descriptors(std::span<const int> files);
    [[nodiscard]] Result<std::vector<UniqueFd>> read_descriptors(std::size_t count);
    // Waits until the other side of a socket has taken all that was written.
    [[nodiscard]] Result<void> drain() const;
    // Bytes moved so far.
    [[nodiscard]] std::uint64_t position() const { return position_; }

  private:
    Result<void> wait(short events) const;
    [[nodiscard]] Error failure(const char* what, int error_number) const;
    [[nodiscard]] Error cancelled() const;
    [[nodiscard]] Error idle() const;

    int file_;
    StreamPatience patience_;
    bool is_socket_ = false;
    bool is_regular_ = false;
    std::uint64_t position_ = 0;
};

} // namespace plugbay::core
