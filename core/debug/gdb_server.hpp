// Lets GDB debug a machine's guest: `target remote` at a TCP port or a Unix socket.
#pragma once

#include "core/base/result.hpp"
#include "core/io/socket_address.hpp"

#include <memory>
#include <plugbay/unique_fd.hpp>
#include <string>
#include <thread>

namespace plugbay::core {

class GdbConnection;
class Machine;

// A thread of its own moves bytes; every packet is answered on the control thread, by Machine::post. One client at a
// time: others are turned away. A client that connects stops the guest; when it goes, by whatever way, its breakpoints
// are taken out and the guest runs on. Thread: [control].
class GdbServer {
  public:
    // `machine` outlives the object.
    [[nodiscard]] static Result<std::unique_ptr<GdbServer>> start(Machine& machine,
                                                                  const SocketAddress& address);
    GdbServer(const GdbServer&) = delete;
    GdbServer& operator=(const GdbServer&) = delete;
    // Detaches a client; the guest runs on.
    ~GdbServer();

    // Machine::run has returned: tells a client, and leaves the machine alone from now on.
    void machine_ended();

    // What GDB's `target remote` takes.
    [[nodiscard]] const std::string& place() const { return place_; }

  private:
    GdbServer(Machine& machine, UniqueFd listener, UniqueFd wake, std::string place, std::string path);
    void stop_thread();

    const std::string place_;
    const std::string path_; // of a Unix socket, which goes with the server
    const std::shared_ptr<GdbConnection>
        connection_; // posted commands may outlive the server, and look for it
    std::thread thread_;
};

} // namespace plugbay::core
