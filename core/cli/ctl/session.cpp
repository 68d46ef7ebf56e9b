#include "core/cli/ctl/session.hpp"

#include "core/cli/ctl/command_words.hpp"
#include "core/cli/ctl/result_text.hpp"
#include "core/cli/exit_status.hpp"
#include "core/cli/terminal_text.hpp"
#include "core/control/method.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <ostream>

namespace plugbay::core::ctl {

using nlohmann::json;

namespace {

std::string json_text(const json& value, int indent) {
    return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

} // namespace

void tell_error(std::ostream& errors, const Error& error) {
    errors << "plugbay ctl: " << printable(error.text()) << std::endl;
}

int help(const CommandSet& commands, std::span<const std::string> words, std::ostream& out,
         std::ostream& errors) {
    if (words.empty()) {
        out << printable_lines(help_text(commands));
        return exit_status::success;
    }
    if (const Command* command = commands.match(words).command; command != nullptr) {
        out << printable_lines(help_text(*command));
        return exit_status::success;
    }
    const auto wrong = read_command(commands, words);
    tell_error(errors, wrong ? Error{"there is no such command", ""} : wrong.error());
    return exit_status::usage;
}

Result<Session> Session::begin(ControlClient client) {
    auto description = client.call("describe", json::object(), std::chrono::seconds(5));
    if (description) return Session(std::move(client), CommandSet(*description));
    if (client.ended()) return std::move(description).error();
    return Session(std::move(client), own_commands());
}

int Session::run(std::span<const std::string> words, Style style, std::ostream& out, std::ostream& errors) {
    auto invocation = read_command(commands_, words);
    if (!invocation) {
        tell_error(errors, invocation.error());
        return exit_status::usage;
    }
    const Command& command = *invocation->command;
    const bool as_json = style.json || invocation->json;
    if (invocation->help) {
        out << printable_lines(help_text(command));
        return exit_status::success;
    }
    if (command.method.empty()) {
        const auto asked = invocation->params.value("command", std::vector<std::string>());
        return help(commands_, asked, out, errors);
    }
    auto result = client_.call(command.method, invocation->params);
    if (!result) {
        tell_error(errors, result.error());
        return exit_status::failure;
    }
    if (command.follows_events() && !style.prompt) return follow_events(as_json, style.colours, out);
    if (as_json)
        out << json_text(*result, 2) << '\n';
    else
        print_result(out, *result, command.result, style.colours);
    return exit_status::success;
}

int Session::follow_events(bool as_json, bool colours, std::ostream& out) {
    for (;;) {
        const auto event = client_.next_event(std::chrono::hours(1));
        if (!event) return exit_status::success; // the machine has ended, and an event has said so
        if (!*event) continue;
        if (as_json)
            out << json_text(**event, -1) << std::endl;
        else
            print_event(out, **event, colours);
    }
}

} // namespace plugbay::core::ctl
