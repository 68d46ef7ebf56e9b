// One client of the control socket. All on the server's thread.
#pragma once

#include "core/control/control_server.hpp"
#include "core/control/rpc.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace plugbay::core {

// What a session needs of its server.
class SessionOwner {
  public:
    virtual ~SessionOwner() = default;
    [[nodiscard]] virtual const MethodTable& methods() const = 0;
    // Has `method` run on the control thread, and gives the session what came of it by finished().
    virtual void run(const Method& method, nlohmann::json params,
                     std::weak_ptr<class ControlSession> session) = 0;
    // The client is gone; the session is not used again.
    virtual void closed(ControlSession& session) = 0;
};

// A client's calls are done one after the other, and the next is not read before the answer to the last is on its way: a
// client that does not read is not read from. What it sends and what it is sent is bounded. One that says that it sends no
// more still gets its calls done and answered.
class ControlSession : public std::enable_shared_from_this<ControlSession> {
  public:
    using Socket = boost::asio::local::stream_protocol::socket;
    // The owner outlives the session's last use.
    ControlSession(SessionOwner& owner, Socket socket) : owner_(owner), socket_(std::move(socket)) {}

    void start() { read(); }
    // What came of the call that was given to the owner last.
    void finished(const Result<nlohmann::json>& result);
    void tell(std::string_view event, const nlohmann::json& params);
    // Answers what is still open, sends what waits, and ends.
    void say_goodbye();
    void close();

  private:
    void read();
    void input_ended();
    void take(std::string_view bytes);
    void go_on();
    [[nodiscard]] bool begin(const rpc::Call& call);
    [[nodiscard]] Result<nlohmann::json> subscribe(const nlohmann::json& params);
    void fail(const rpc::Call& call, int code, std::string message, std::string hint);
    void give(const rpc::Call& call, nlohmann::json answer);
    void send(std::string line);
    void write();

    static constexpr std::size_t enough_output = 1 << 20;    // bytes: no further call is done
    static constexpr std::size_t most_event_bytes = 1 << 18; // waiting: further events are dropped
    // Read and not done: no more is read.
    static constexpr std::size_t most_lines = 64;
    static constexpr std::size_t enough_input = rpc::longest_line; // bytes of lines

    SessionOwner& owner_;
    Socket socket_;
    std::array<char, 16384> chunk_{};
    std::string line_;      // the beginning of one
    bool skipping_ = false; // the rest of a line that is too long
    std::deque<std::string> lines_;
    std::size_t line_bytes_ = 0;       // in lines_
    rpc::Message message_;             // being done
    std::size_t part_ = 0;             // of it, the next
    nlohmann::json batch_;             // answers so far
    std::optional<rpc::Call> running_; // on the control thread
    bool reading_ = false;
    bool input_over_ = false;
    bool ending_ = false;
    std::deque<std::string> output_;
    std::size_t output_bytes_ = 0;
    std::set<std::string, std::less<>> events_; // subscribed to
    std::size_t dropped_ = 0;                   // events, since the last that was sent
};

} // namespace plugbay::core
