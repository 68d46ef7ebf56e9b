// The control socket of a machine that runs.
#pragma once

#include "core/base/result.hpp"
#include "core/control/control_server.hpp"
#include "core/debug/gdb_server.hpp"
#include "core/hotswap/hot_swap.hpp"
#include "core/hotswap/shadow.hpp"
#include "core/machine/machine_checkpoint.hpp"
#include "core/machine/machine_sender.hpp"
#include "core/trace/tracer.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace plugbay::core {

class Machine;
class MasterDeviceTable;

struct ControlOptions {
    std::string name;   // --name; empty: after the machine, with a number if that is taken
    std::string socket; // --control: a path, or "none"; empty: below the name
    // The machine came from another process and cannot be given back, so it runs in any case: what is taken is waited for
    // a little, for the other process may still be about to end, and then it runs by another name.
    bool moved = false;
};

// Thread: [control]. The machine and the table outlive it.
class MachineControl {
  public:
    // An error when the name or the socket that was asked for is not to be had. When nothing was asked for and there is no
    // place for a socket, the machine runs without one, and the log says so.
    [[nodiscard]] static Result<std::unique_ptr<MachineControl>>
    start(const ControlOptions& options, Machine& machine, MasterDeviceTable& device_types);

    // Whether there is a place for a socket, so that start() finds one even if what was asked for is taken.
    [[nodiscard]] static Result<void> check_place(const ControlOptions& options);

    MachineControl(const MachineControl&) = delete;
    MachineControl& operator=(const MachineControl&) = delete;
    ~MachineControl();

    // By which `plugbay ctl` finds the machine.
    [[nodiscard]] const std::string& name() const { return name_; }
    // What `plugbay ctl -m` wants: that name, or the path of the socket where one was asked for; empty: there is no socket.
    [[nodiscard]] std::string place() const;
    // The machine's GDB server, whoever started it; null: none.
    [[nodiscard]] std::unique_ptr<GdbServer>& debugger() { return debugger_; }
    // Tells clients why the machine ended, before the socket goes.
    void tell_ended(const std::string& reason);

  private:
    MachineControl(std::string name, Machine& machine, MasterDeviceTable& device_types);
    [[nodiscard]] Tracer::Listener listener();
    [[nodiscard]] Result<void> listen(const std::filesystem::path& socket);
    [[nodiscard]] Result<void> listen_below_name(bool exactly);

    std::string name_;
    Machine& machine_;
    MasterDeviceTable& device_types_;
    HotSwap hot_swap_;
    MachineCheckpoints checkpoints_;
    MachineSender sender_;
    Shadow shadow_;
    std::string path_; // --control; empty: below the name
    std::unique_ptr<GdbServer> debugger_;
    std::unique_ptr<ControlServer> server_; // null: there is no socket
    Tracer tracer_;                         // what it tells goes to the server
};

} // namespace plugbay::core
