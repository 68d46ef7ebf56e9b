#include "core/cli/ctl/prompt.hpp"

#include "core/cli/ctl/completion.hpp"
#include "core/cli/ctl/line_editor.hpp"
#include "core/cli/ctl/result_text.hpp"
#include "core/cli/exit_status.hpp"
#include "core/cli/terminal_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <system_error>

namespace plugbay::core::ctl {

namespace {

using nlohmann::json;

// $XDG_STATE_HOME/plugbay/history, whose folder is made; empty: there is no place for one.
std::filesystem::path history_file() {
    std::filesystem::path folder;
    if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
        folder = state;
    } else if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
        folder = std::filesystem::path(home) / ".local" / "state";
    } else {
        return {};
    }
    folder /= "plugbay";
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    return failed ? std::filesystem::path() : folder / "history";
}

const Error no_words{"a quote is left open, or the line is no text", "close it, or put \\ before it"};

// All events that have come. False when the machine has ended.
bool show_events(ControlClient& client, bool colours) {
    for (;;) {
        const auto event = client.next_event(std::chrono::milliseconds(0));
        if (!event) return false;
        if (!*event) return true;
        print_event(std::cout, **event, colours);
    }
}

} // namespace

int run_prompt(Session& session, const std::string& machine, Style style) {
    style.prompt = true;
    ControlClient& client = session.client();
    // Older monitors have no events; the prompt does without.
    (void)client.call("events.subscribe", json::object(), std::chrono::seconds(5));
    std::cout << fmt::format(
        "Machine \"{}\". Tab completes, \"help\" lists the commands, \"exit\" or Ctrl-D leaves.\n",
        printable(machine));
    const auto complete = [&](std::span<const std::string> words, std::string_view begun) {
        auto found = completions(session.commands(), words, begun,
                                 [&](const std::string& kind) { return values_of(client, kind); });
        if (words.empty() && std::string_view("exit").starts_with(begun)) found.emplace_back("exit");
        return found;
    };
    LineEditor editor(printable(machine) + "> ", history_file(),
                      {.complete = complete, .descriptor = client.descriptor(), .readable = [&] {
                           return show_events(client, style.colours);
                       }});
    while (!client.ended()) {
        const auto line = editor.read();
        if (!line) break;
        const auto words = split_words(*line);
        if (!words) {
            tell_error(std::cerr, no_words);
            continue;
        }
        if (words->empty()) continue;
        if (words->size() == 1 && words->front() == "exit") return exit_status::success;
        (void)session.run(*words, style, std::cout, std::cerr); // it has said what is wrong
        if (!client.ended()) show_events(client, style.colours);
    }
    if (client.ended()) std::cout << "The machine has ended.\n";
    return exit_status::success;
}

int run_lines(Session& session, Style style) {
    for (std::string line; std::getline(std::cin, line);) {
        const auto words = split_words(line);
        if (!words) {
            tell_error(std::cerr, no_words);
            return exit_status::usage;
        }
        if (words->empty() || words->front().starts_with('#')) continue;
        if (const int status = session.run(*words, style, std::cout, std::cerr);
            status != exit_status::success)
            return status;
    }
    return exit_status::success;
}

} // namespace plugbay::core::ctl
