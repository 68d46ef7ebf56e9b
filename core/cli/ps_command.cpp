#include "core/cli/ps_command.hpp"

#include "core/cli/exit_status.hpp"
#include "core/cli/terminal_text.hpp"
#include "core/config/number_text.hpp"
#include "core/control/control_client.hpp"
#include "core/control/socket_place.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <ostream>
#include <unistd.h>

namespace plugbay::core {

namespace {

using nlohmann::json;

// What the machine says of itself, with its "socket"; "state" is "silent" if it does not answer. Nothing at all where nobody
// listens any more.
json look_at(const std::filesystem::path& socket) {
    const json silent = {{"name", socket.stem().string()}, {"state", "silent"}, {"socket", socket.string()}};
    auto client = ControlClient::connect(socket);
    if (!client) return somebody_listens(socket) ? silent : json();
    auto status = client->call("machine.status", json::object(), std::chrono::seconds(1));
    if (!status && client->ended()) return {};
    if (!status || !status->is_object()) return silent;
    (*status)["name"] = socket.stem().string(); // by which it is found
    (*status)["socket"] = socket.string();
    return std::move(*status);
}

std::string cell(const json& machine, const char* name) {
    const auto found = machine.find(name);
    if (found == machine.end()) return "-";
    if (found->is_string()) return found->get<std::string>();
    return found->dump();
}

std::vector<std::string> row_of(const json& machine) {
    const auto seconds = machine.find("guest_seconds");
    const auto memory = machine.find("memory");
    return {cell(machine, "name"),
            cell(machine, "pid"),
            cell(machine, "state"),
            seconds != machine.end() && seconds->is_number() ? duration_text(seconds->get<double>()) : "-",
            cell(machine, "cpus"),
            memory != machine.end() && memory->is_number_unsigned() ? size_text(memory->get<std::uint64_t>())
                                                                    : "-",
            cell(machine, "file"),
            cell(machine, "socket")};
}

} // namespace

std::string duration_text(double seconds) {
    constexpr std::uint64_t minute = 60;
    constexpr std::uint64_t hour = 60 * minute;
    constexpr std::uint64_t day = 24 * hour;
    if (!(seconds >= 0 && seconds < 1e12)) return "-";
    const auto whole = static_cast<std::uint64_t>(seconds);
    if (whole >= day) return fmt::format("{}d{:02}h", whole / day, whole % day / hour);
    if (whole >= hour) return fmt::format("{}h{:02}m", whole / hour, whole % hour / minute);
    if (whole >= minute) return fmt::format("{}m{:02}s", whole / minute, whole % minute);
    return fmt::format("{}s", whole);
}

int ps_command(std::ostream& out, bool as_json) {
    json machines = json::array();
    for (const auto& socket : control_sockets()) {
        if (json machine = look_at(socket); !machine.is_null()) machines.push_back(std::move(machine));
    }
    if (as_json) {
        out << machines.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
        return exit_status::success;
    }
    TextTable table({"name", "pid", "state", "uptime", "cpus", "memory", "file", "socket"});
    for (const json& machine : machines)
        table.add(row_of(machine));
    table.print(out, "", wants_colours(STDOUT_FILENO));
    return exit_status::success;
}

} // namespace plugbay::core
