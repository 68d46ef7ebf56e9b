// Where the GDB server's thread and the control thread meet: the one moves bytes, the other answers packets.
#pragma once

#include "core/debug/gdb_packet.hpp"
#include "core/debug/gdb_session.hpp"
#include "core/debug/machine_target.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <plugbay/unique_fd.hpp>
#include <string>
#include <string_view>

namespace plugbay::core {

// One server's, for one client after the other. Owned by shared pointers: posted commands may outlive the server.
class GdbConnection : public std::enable_shared_from_this<GdbConnection> {
  public:
    // `wake` is an eventfd.
    GdbConnection(Machine& machine, UniqueFd listener, UniqueFd wake)
        : machine_(machine), listener_(std::move(listener)), wake_(std::move(wake)) {}

    // [server thread] Serves clients until stop().
    void serve();

    // --- [control]
    // The server's thread ends, after it tried to send what is left.
    void stop();
    // The client is gone: the guest runs on without breakpoints.
    void leave();
    // The machine's run is over: the client is told.
    void machine_ended();

  private:
    // [server thread]
    struct Plan {
        bool read = false;
        bool write = false;
    };
    [[nodiscard]] bool wait(Plan plan);
    [[nodiscard]] bool over();
    [[nodiscard]] Plan plan();
    void accept_client();
    void drop_client();
    void read_client();
    void write_client();
    void take_events();
    void take_event(const GdbPacketReader::Event& event);
    void post(std::function<void(GdbConnection&)> work);

    // [control]
    void begin(std::uint64_t client);
    void answer(std::string_view content);
    void send(std::uint64_t client, std::string_view content);

    Machine& machine_;

    // Of the server's thread.
    UniqueFd listener_;
    UniqueFd client_;
    GdbPacketReader reader_;
    std::string input_; // read, and not yet taken
    bool acknowledges_ = true;
    int farewells_ = 0; // waits since the end was near

    // Of the control thread.
    std::unique_ptr<MachineTarget> target_; // while there is a client
    std::unique_ptr<GdbSession> session_;   // the same

    UniqueFd wake_;
    std::mutex mutex_; // guards what follows
    std::uint64_t client_number_ = 0;
    std::string output_;
    std::string last_frame_;
    bool busy_ = false;    // the control thread has something to answer: nothing more is taken meanwhile
    bool closing_ = false; // the client goes once it has its output
    bool stopping_ = false;
};

} // namespace plugbay::core
