// The control socket's server: a unix socket, JSON-RPC 2.0, one message a line. Its own thread reads, checks and answers;
// what works on the machine is done by the machine's control thread, and the machine never waits for a client.
#pragma once

#include "core/base/result.hpp"
#include "core/control/method.hpp"

#include <plugbay/unique_fd.hpp>

#include <nlohmann/json_fwd.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace plugbay::core {

class ControlServer {
  public:
    // Has `work` called on the control thread soon, or destroys it uncalled when that is not going to happen any more.
    // [any]
    using Execute = std::function<void(std::function<void(const ControlTarget&)> work)>;

    // Listens at `socket`, which only this user may connect to. What a monitor that crashed has left there is replaced; a
    // socket that somebody listens at is an error. `methods` outlives the server.
    [[nodiscard]] static Result<std::unique_ptr<ControlServer>>
    start(const std::filesystem::path& socket, const MethodTable& methods, Execute execute);
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;
    // Says goodbye to clients, giving them a second to take what is meant for them, and removes the socket.
    ~ControlServer();

    // Tells every subscriber. A client that reads too slowly misses some, and is told how many. [any]
    void publish(std::string_view event, nlohmann::json params);

  private:
    class Core;
    class Session;
    explicit ControlServer(std::shared_ptr<Core> core);

    std::shared_ptr<Core> core_;
};

} // namespace plugbay::core
