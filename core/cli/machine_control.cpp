#include "core/cli/machine_control.hpp"

#include "core/base/errno_error.hpp"
#include "core/base/log.hpp"
#include "core/control/methods.hpp"
#include "core/control/socket_place.hpp"
#include "core/machine/machine.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <thread>
#include <unistd.h>
#include <utility>

namespace plugbay::core {

namespace {

using nlohmann::json;

void publish(ControlServer& server, const MachineChange& change) {
    const auto link = [&] { return json{{"backend", change.device}, {"frontend", change.frontend}}; };
    switch (change.kind) {
    case MachineChange::Kind::paused:
        return server.publish("machine.paused", json::object());
    case MachineChange::Kind::resumed:
        return server.publish("machine.resumed", json::object());
    case MachineChange::Kind::reset:
        return server.publish("machine.reset", json::object());
    case MachineChange::Kind::device_added:
        return server.publish("device.added", {{"device", change.device}});
    case MachineChange::Kind::device_removed:
        return server.publish("device.removed", {{"device", change.device}});
    case MachineChange::Kind::device_swapped:
        return server.publish("device.swapped", {{"device", change.device}});
    case MachineChange::Kind::connected:
        return server.publish("link.connected", link());
    case MachineChange::Kind::disconnected:
        return server.publish("link.disconnected", link());
    }
}

} // namespace

MachineControl::MachineControl(std::string name, Machine& machine, MasterDeviceTable& device_types)
    : name_(std::move(name)), machine_(machine), device_types_(device_types),
      hot_swap_(machine, device_types), checkpoints_(machine, device_types), sender_(machine, device_types),
      shadow_(machine), tracer_(machine.devices(), listener()) {}

Result<std::unique_ptr<MachineControl>> MachineControl::start(const ControlOptions& options, Machine& machine,
                                                              MasterDeviceTable& device_types) {
    const bool named = !options.name.empty();
    std::unique_ptr<MachineControl> control(
        new MachineControl(named ? options.name : machine.config().name, machine, device_types));
    if (options.socket == "none") return control;
    if (!options.socket.empty()) control->path_ = std::filesystem::absolute(options.socket).string();
    const auto listen = [&] {
        return options.socket.empty() ? control->listen_below_name(named) : control->listen(options.socket);
    };
    auto listening = listen();
    if (options.moved && !listening) {
        for (int i = 0; i < 100 && !listening; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            listening = listen();
        }
        if (!listening) {
            log_for(Subsystem::control)
                .warn("{}; the machine runs by another name", listening.error().text());
            control->path_.clear();
            listening = control->listen_below_name(false);
        }
        if (!listening) log_for(Subsystem::control).error("no control socket: {}", listening.error().text());
        return control;
    }
    if (!listening && (named || !options.socket.empty())) return std::move(listening).error();
    if (!listening) log_for(Subsystem::control).info("no control socket: {}", listening.error().text());
    return control;
}

Result<void> MachineControl::check_place(const ControlOptions& options) {
    const auto usable = [](const std::filesystem::path& folder) {
        return ::access(folder.c_str(), W_OK | X_OK) == 0;
    };
    if (!options.socket.empty() && usable(std::filesystem::absolute(options.socket).parent_path())) return {};
    const auto folder = control_folder();
    if (!folder) return folder.error();
    if (!usable(*folder)) return errno_error("control sockets cannot be made in " + folder->string());
    return {};
}

std::string MachineControl::place() const {
    if (server_ == nullptr) return {};
    return path_.empty() ? name_ : path_;
}

MachineControl::~MachineControl() {
    machine_.observe([](const MachineChange&) {});
}

Result<void> MachineControl::listen(const std::filesystem::path& socket) {
    const auto execute = [this](std::function<void(const ControlTarget&)> work) {
        machine_.post([this, work = std::move(work)](Machine& machine) {
            work({.name = name_,
                  .machine = machine,
                  .device_types = device_types_,
                  .hot_swap = hot_swap_,
                  .checkpoints = checkpoints_,
                  .sender = sender_,
                  .shadow = shadow_,
                  .tracer = tracer_,
                  .debugger = debugger_});
        });
    };
    auto server = ControlServer::start(socket, control_methods(), execute);
    if (!server) return std::move(server).error();
    server_ = std::move(*server);
    machine_.observe([this](const MachineChange& change) { publish(*server_, change); });
    hot_swap_.observe([this](const SwapReport& report) { server_->publish("swap.over", json_of(report)); });
    shadow_.observe([this](const ShadowReport& report) { server_->publish("shadow.over", json_of(report)); });
    log_for(Subsystem::control).info("control socket: {}", socket.string());
    return {};
}

// Only methods of the server begin a trace, so the server is there.
Tracer::Listener MachineControl::listener() {
    return {
        .access = [this](const TracedAccess& access) { server_->publish("trace.access", json_of(access)); },
        .over =
            [this](const std::string& device, const std::string& why, std::uint64_t left_out) {
                server_->publish("trace.over", {{"device", device}, {"why", why}, {"left_out", left_out}});
            }};
}

// Two machines of one file may run: the second is called "linux-2".
Result<void> MachineControl::listen_below_name(bool exactly) {
    constexpr int most_of_a_name = 100;
    const std::string first = name_;
    for (int number = 2;; ++number) {
        const auto socket = control_socket_of(name_);
        if (!socket) return socket.error();
        auto listening = listen(*socket);
        if (listening || exactly || number > most_of_a_name) return listening;
        name_ = fmt::format("{}-{}", first, number);
    }
}

void MachineControl::tell_ended(const std::string& reason) {
    if (server_) server_->publish("machine.ended", {{"reason", reason}});
}

} // namespace plugbay::core
