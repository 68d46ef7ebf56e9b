#include "core/cli/ctl/ctl_command.hpp"

#include "core/cli/ctl/completion.hpp"
#include "core/cli/ctl/prompt.hpp"
#include "core/cli/ctl/session.hpp"
#include "core/cli/exit_status.hpp"
#include "core/cli/terminal_text.hpp"
#include "core/config/source_text.hpp"
#include "core/control/socket_place.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iostream>
#include <optional>
#include <unistd.h>

namespace plugbay::core {

namespace {

using namespace ctl;

// A command of this program is one, a path or a running machine's name is a machine; and what comes before a command is meant
// to be a machine, whether it runs or not.
bool names_machine(const std::vector<std::string>& words) {
    const std::string& first = words[0];
    if (first.find('/') != first.npos) return true;
    if (first.starts_with('-') || own_commands().begins(first)) return false;
    const auto running = machine_names();
    if (std::ranges::find(running, first) != running.end()) return true;
    return words.size() > 1 && own_commands().begins(words[1]);
}

void take_machine(CtlOptions& options) {
    if (!options.machine.empty() || options.words.empty() || !names_machine(options.words)) return;
    options.machine = options.words[0];
    options.words.erase(options.words.begin());
}

// What it calls itself, for the prompt.
std::string name_of(Session& session, const std::string& otherwise) {
    const auto status =
        session.client().call("machine.status", nlohmann::json::object(), std::chrono::seconds(5));
    if (!status || !status->is_object()) return otherwise;
    const auto name = status->find("name");
    return name != status->end() && name->is_string() ? name->get<std::string>() : otherwise;
}

Result<Session> begin_session(const std::string& machine) {
    auto client = ControlClient::find(machine);
    if (!client) return std::move(client).error();
    return Session::begin(std::move(*client));
}

int tell_no_machine(const CtlOptions& options, const Error& error) {
    const bool unknown_word = options.machine.empty() && !options.words.empty() &&
                              own_commands().match(options.words).command == nullptr;
    if (unknown_word && !options.words[0].starts_with('-'))
        tell_error(std::cerr, {fmt::format("{} is no command, and no machine of that name is running",
                                           in_quotes(options.words[0])),
                               error.text()});
    else
        tell_error(std::cerr, error);
    return exit_status::no_machine;
}

} // namespace

int ctl_command(CtlOptions options) {
    take_machine(options);
    const bool wants_help = !options.words.empty() && options.words[0] == "help";
    auto session = begin_session(options.machine);
    if (!session && wants_help && options.machine.empty())
        return help(own_commands(), std::span(options.words).subspan(1), std::cout, std::cerr);
    if (!session) return tell_no_machine(options, session.error());
    const Style style{.json = options.json, .colours = wants_colours(STDOUT_FILENO)};
    if (!options.words.empty()) return session->run(options.words, style, std::cout, std::cerr);
    if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) return run_lines(*session, style);
    return run_prompt(*session, name_of(*session, options.machine), style);
}

std::vector<std::string> machine_names() {
    std::vector<std::string> names;
    for (const auto& socket : control_sockets()) {
        if (somebody_listens(socket)) names.push_back(socket.stem().string());
    }
    return names;
}

std::vector<std::string> ctl_completions(std::vector<std::string> words, std::string_view begun) {
    CtlOptions options;
    while (!words.empty() && words[0].starts_with('-')) {
        const bool names = (words[0] == "-m" || words[0] == "--machine");
        if (names && words.size() == 1) return machine_names();
        if (names) options.machine = words[1];
        words.erase(words.begin(), words.begin() + (names ? 2 : 1));
    }
    options.words = std::move(words);
    const bool first = options.machine.empty() && options.words.empty();
    take_machine(options);
    auto session = begin_session(options.machine);
    const auto find_values = [&](const std::string& kind) {
        return session ? values_of(session->client(), kind) : std::vector<std::string>();
    };
    auto found =
        completions(session ? session->commands() : own_commands(), options.words, begun, find_values);
    if (first) {
        for (const std::string& each : machine_names()) {
            if (each.starts_with(begun)) found.push_back(each);
        }
        if (begun.starts_with('-')) found.insert(found.end(), {"--help", "--json", "--machine"});
    }
    return found;
}

} // namespace plugbay::core
