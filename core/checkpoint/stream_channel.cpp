#include "core/checkpoint/stream_channel.hpp"

#include "core/base/errno_error.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace plugbay::core {

StreamChannel::StreamChannel(int file, StreamPatience patience) : file_(file), patience_(patience) {
    struct stat status {};
    if (::fstat(file, &status) != 0) return;
    is_socket_ = S_ISSOCK(status.st_mode);
    is_regular_ = S_ISREG(status.st_mode);
}

Error StreamChannel::failure(const char* what, int error_number) const {
    return errno_error(std::string(what) + " at byte " + std::to_string(position_) + " of the stream",
                       error_number);
}

Error StreamChannel::cancelled() const {
    return Error{"the stream was cancelled at byte " + std::to_string(position_)};
}

Error StreamChannel::idle() const {
    return Error{"nothing moved for " + std::to_string(patience_.idle.count()) + " ms at byte " +
                     std::to_string(position_) + " of the stream",
                 "see whether the other side still runs"};
}

Result<void> StreamChannel::wait(short events) const {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + patience_.idle;
    for (;;) {
        std::array<pollfd, 2> files{{{file_, events, 0}, {patience_.cancel, POLLIN, 0}}};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        const int ready =
            ::poll(files.data(), files.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX)));
        if (ready < 0 && errno != EINTR) return failure("waiting failed", errno);
        if (files[1].revents != 0) return cancelled();
        if (ready > 0) return {};
        if (ready == 0 && left <= 0) return idle();
    }
}

Result<void> StreamChannel::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        if (auto ready = wait(POLLOUT); !ready) return ready;
        // A pipe that can be written to takes PIPE_BUF bytes without waiting, and no more are promised.
        const std::size_t most =
            is_socket_ || is_regular_ ? bytes.size() : std::min<std::size_t>(bytes.size(), PIPE_BUF);
        const ssize_t written = is_socket_ ? ::send(file_, bytes.data(), most, MSG_DONTWAIT | MSG_NOSIGNAL)
                                           : ::write(file_, bytes.data(), most);
        if (written < 0) {
            if (errno == EINTR || errno == EAGAIN) continue;
            return failure("writing failed", errno);
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        position_ += static_cast<std::uint64_t>(written);
    }
    return {};
}

// unix(7), tcp(7): SIOCOUTQ. Nothing wakes who waits for that, so it is looked at again and again.
Result<void> StreamChannel::drain() const {
    constexpr int pause = 1; // milliseconds
    int before = INT_MAX;
    auto idle_since = std::chrono::steady_clock::now();
    for (;;) {
        int waiting = 0;
        if (!is_socket_ || ::ioctl(file_, SIOCOUTQ, &waiting) != 0 || waiting == 0) return {};
        const auto now = std::chrono::steady_clock::now();
        if (std::exchange(before, waiting) != waiting) idle_since = now;
        if (now - idle_since > patience_.idle) return idle();
        pollfd cancel{patience_.cancel, POLLIN, 0};
        if (::poll(&cancel, 1, pause) == 1) return cancelled();
    }
}

Result<void> StreamChannel::read(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
        if (auto ready = wait(POLLIN); !ready) return ready;
        const ssize_t got = ::read(file_, bytes.data(), bytes.size());
        if (got < 0) {
            if (errno == EINTR || errno == EAGAIN) continue;
            return failure("reading failed", errno);
        }
        if (got == 0)
            return Error{"the stream ended at byte " + std::to_string(position_) + ", before its last record",
                         "the sender gave up or was ended; nothing is restored"};
        bytes = bytes.subspan(static_cast<std::size_t>(got));
        position_ += static_cast<std::uint64_t>(got);
    }
    return {};
}

namespace {

// Room for `count` descriptors beside a byte.
class DescriptorMessage {
  public:
    explicit DescriptorMessage(std::size_t count) : control_(CMSG_SPACE(count * sizeof(int))) {
        message_.msg_iov = &part_;
        message_.msg_iovlen = 1;
        message_.msg_control = control_.data();
        message_.msg_controllen = control_.size();
    }
    DescriptorMessage(const DescriptorMessage&) = delete;
    DescriptorMessage& operator=(const DescriptorMessage&) = delete;
    [[nodiscard]] msghdr& message() { return message_; }

  private:
    char byte_ = 0;
    iovec part_{&byte_, 1};
    std::vector<std::byte> control_; // from the allocator, so aligned for every header
    msghdr message_{};
};

} // namespace

Result<void> StreamChannel::write_descriptors(std::span<const int> files) {
    DescriptorMessage outgoing(files.size());
    cmsghdr* const header = CMSG_FIRSTHDR(&outgoing.message());
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(files.size_bytes());
    std::memcpy(CMSG_DATA(header), files.data(), files.size_bytes());
    for (;;) {
        if (auto ready = wait(POLLOUT); !ready) return ready;
        if (::sendmsg(file_, &outgoing.message(), MSG_DONTWAIT | MSG_NOSIGNAL) == 1) break;
        if (errno != EINTR && errno != EAGAIN) return failure("sending descriptors failed", errno);
    }
    ++position_;
    return {};
}

Result<std::vector<UniqueFd>> StreamChannel::read_descriptors(std::size_t count) {
    DescriptorMessage incoming(count);
    for (;;) {
        if (auto ready = wait(POLLIN); !ready) return std::move(ready).error();
        const ssize_t got = ::recvmsg(file_, &incoming.message(), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got == 1) break;
        if (got == 0 || (errno != EINTR && errno != EAGAIN))
            return failure("receiving descriptors failed", got == 0 ? EPIPE : errno);
    }
    ++position_;
    std::vector<UniqueFd> files;
    for (cmsghdr* each = CMSG_FIRSTHDR(&incoming.message()); each != nullptr;
         each = CMSG_NXTHDR(&incoming.message(), each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
        for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= each->cmsg_len; at += sizeof(int)) {
            int file = -1;
            std::memcpy(&file, reinterpret_cast<const std::byte*>(each) + at, sizeof file);
            files.emplace_back(file);
        }
    }
    if (files.size() == count) return files;
    return Error{std::to_string(count) + " descriptors were announced at byte " +
                     std::to_string(position_ - 1) + " of the stream, and " + std::to_string(files.size()) +
                     " came",
                 "the limit of open files may be too low (ulimit -n); nothing is restored"};
}

} // namespace plugbay::core
