#include "core/cli/service_manager.hpp"

#include "core/base/utf8.hpp"

#include <plugbay/unique_fd.hpp>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>

namespace plugbay::core {

ServiceManager ServiceManager::of_environment() {
    const char* address = std::getenv("NOTIFY_SOCKET");
    return ServiceManager(address == nullptr ? "" : address);
}

// One datagram of lines NAME=value.
void ServiceManager::tell(std::string_view state, std::string_view status) const {
    sockaddr_un address{};
    if (address_.size() < 2 || address_.size() >= sizeof address.sun_path) return;
    if (address_[0] != '/' && address_[0] != '@') return;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, address_.data(), address_.size());
    if (address_[0] == '@') address.sun_path[0] = '\0';

    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return;
    const std::string message = std::string(state) + "\nSTATUS=" + printable_text(status);
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    static_cast<void>(::sendto(socket.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&address), length));
}

} // namespace plugbay::core
