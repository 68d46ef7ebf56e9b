// Where control sockets are, and who has a place. A lock beside the socket is held for as long as its owner lives, so what
// a crash leaves behind is told from what is in use.
#pragma once

#include "core/base/result.hpp"

#include <plugbay/unique_fd.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugbay::core {

// The folder of this user's control sockets, made if it is missing: PLUGBAY_RUNTIME_DIR, or "plugbay" below
// XDG_RUNTIME_DIR, or /run/plugbay for root, or /tmp/plugbay-<uid>. An error if it is not this user's alone.
[[nodiscard]] Result<std::filesystem::path> control_folder();

// The socket of the machine of that name; an error if it cannot be part of a file's name.
[[nodiscard]] Result<std::filesystem::path> control_socket_of(std::string_view name);

// The sockets of the machines that this user may control: those in the folder of control_folder(), sorted, and for root
// those of services, each in a folder of its own below PLUGBAY_RUNTIME_DIR or /run/plugbay.
[[nodiscard]] std::vector<std::filesystem::path> control_sockets();

// Where the machine of that name may listen, in the order in which to try; an error as of control_socket_of(). Root
// finds machines in folders of others, too.
[[nodiscard]] Result<std::vector<std::filesystem::path>> control_sockets_of(std::string_view name);

// Whether a program listens there, even one that does not answer. Does not wait.
[[nodiscard]] bool somebody_listens(const std::filesystem::path& socket);

// A socket's place, taken: nobody else can take it until this object ends, which also removes the socket that it made.
class SocketPlace {
  public:
    // An error if a running monitor has it.
    [[nodiscard]] static Result<SocketPlace> take(const std::filesystem::path& socket);
    SocketPlace(SocketPlace&& other) noexcept
        : socket_(std::move(other.socket_)), lock_(std::move(other.lock_)),
          made_(std::exchange(other.made_, false)) {}
    SocketPlace& operator=(SocketPlace&&) = delete;
    ~SocketPlace();

    // A listening socket at this place, mode 0600. What a crash left there is replaced; anything else is left alone, and
    // an error.
    [[nodiscard]] Result<UniqueFd> listen();
    [[nodiscard]] const std::filesystem::path& socket() const { return socket_; }

  private:
    SocketPlace(std::filesystem::path socket, UniqueFd lock)
        : socket_(std::move(socket)), lock_(std::move(lock)) {}
    std::filesystem::path socket_;
    UniqueFd lock_;
    bool made_ = false; // what is at the place is the socket of listen()
};

} // namespace plugbay::core
