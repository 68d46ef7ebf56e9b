#include "core/debug/gdb_server.hpp"

#include "core/base/errno_error.hpp"
#include "core/debug/gdb_connection.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

namespace plugbay::core {

Result<std::unique_ptr<GdbServer>> GdbServer::start(Machine& machine, const SocketAddress& address) {
    auto listener = listen_at(address, "the GDB server");
    if (!listener) return std::move(listener).error();
    UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake) return errno_error("the GDB server cannot be started");
    const std::string place = text_of(bound_address(address, listener->get()));
    return std::unique_ptr<GdbServer>(
        new GdbServer(machine, *std::move(listener), std::move(wake), place, address.path));
}

GdbServer::GdbServer(Machine& machine, UniqueFd listener, UniqueFd wake, std::string place, std::string path)
    : place_(std::move(place)), path_(std::move(path)),
      connection_(std::make_shared<GdbConnection>(machine, std::move(listener), std::move(wake))) {
    thread_ = std::thread([this] { connection_->serve(); });
}

GdbServer::~GdbServer() {
    stop_thread();
    connection_->leave();
    if (!path_.empty()) ::unlink(path_.c_str());
}

void GdbServer::machine_ended() {
    connection_->machine_ended();
    stop_thread();
}

void GdbServer::stop_thread() {
    if (!thread_.joinable()) return;
    connection_->stop();
    thread_.join();
}

} // namespace plugbay::core
