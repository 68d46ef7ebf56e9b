// Owned sockets, none of which ever blocks.
#pragma once

#include "address.hpp"

#include <plugbay/unique_fd.hpp>

#include <cstdint>
#include <optional>
#include <string>

class Listener {
  public:
    // Throws plugbay::Failure when the address cannot be had. A socket file that nobody listens at is
    // replaced.
    explicit Listener(const Address& address);
    // Goes on with one that another build has made: its socket and, for a local one, its file.
    Listener(const Address& address, plugbay::UniqueFd descriptor, plugbay::UniqueFd file);
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    // Removes the socket file, if it still is the one made here.
    ~Listener();

    [[nodiscard]] const plugbay::UniqueFd& descriptor() const { return descriptor_; }
    [[nodiscard]] int get() const { return descriptor_.get(); }
    // What keeps the socket file known, under whatever name; none for TCP.
    [[nodiscard]] const plugbay::UniqueFd& file() const { return file_; }
    // Another build listens here: the socket file stays.
    void leave() { path_.clear(); }
    // -1 with errno when nobody waits, or descriptors or memory have run out.
    [[nodiscard]] plugbay::UniqueFd accept() const;

  private:
    void bind(const Address& address);

    plugbay::UniqueFd descriptor_;
    plugbay::UniqueFd file_; // O_PATH
    std::string path_;       // of the file made here
};

// Begins to connect; throws when that fails at once. The socket becomes writable when it is decided.
plugbay::UniqueFd begin_connect(const Address& address);
// What became of it: 0, or an errno.
int connect_error(int descriptor);

// Small pieces go out at once, and a peer that vanished without a word while nothing was on its way to it is noticed after
// about a minute.
void tune(int descriptor);

// What the kernel knows of the other end of a TCP connection.
struct PeerSilence {
    std::uint32_t
        unacknowledged; // segments that were sent; none while the peer takes nothing because it is slow
    std::uint32_t milliseconds; // since it last acknowledged anything

    // It should have answered long ago. While segments are on their way the kernel asks nothing else, and goes on
    // sending them for a quarter of an hour.
    [[nodiscard]] constexpr bool vanished() const { return unacknowledged > 0 && milliseconds > 60'000; }
};
// None of a local socket.
std::optional<PeerSilence> silence_of(int descriptor);
