#include "core/cli/ctl/completion.hpp"

#include "core/base/utf8.hpp"
#include "core/control/control_client.hpp"

#include <algorithm>
#include <chrono>
#include <set>

namespace plugbay::core::ctl {

using nlohmann::json;

namespace {

using Words = std::set<std::string>;

// The next words of commands that begin with these.
void add_command_words(const CommandSet& commands, std::span<const std::string> words, Words& found) {
    if (!words.empty() && words[0] == "machine") words = words.subspan(1);
    for (const Command& each : commands.commands()) {
        if (each.words.size() > words.size() &&
            std::ranges::equal(words, std::span(each.words).first(words.size())))
            found.insert(each.words[words.size()]);
    }
}

void add_values(const Parameter& parameter, const FindValues& find_values, Words& found) {
    for (std::string& each : parameter.choices())
        found.insert(std::move(each));
    if (parameter.has_type("boolean")) found.insert({"true", "false"});
    if (const std::string kind = parameter.completes(); !kind.empty()) {
        for (std::string& each : find_values(kind))
            found.insert(std::move(each));
    }
}

// After the command itself: the value of an option, an option, or a positional value.
void add_arguments(const Command& command, std::span<const std::string> words, std::string_view begun,
                   const FindValues& find_values, Words& found) {
    std::size_t position = 0;
    const Parameter* waiting = nullptr; // an option that wants its value
    Words given;
    for (const std::string& word : words) {
        if (waiting != nullptr) {
            waiting = nullptr;
        } else if (word.starts_with("--")) {
            given.insert(word);
            waiting = command.find_option(word);
            if (waiting != nullptr && waiting->is_flag()) waiting = nullptr;
        } else {
            ++position;
        }
    }
    if (waiting != nullptr) return add_values(*waiting, find_values, found);
    std::size_t positional = 0;
    while (positional < command.parameters.size() && command.parameters[positional].positional)
        ++positional;
    if (positional > 0 && command.parameters[positional - 1].repeats())
        position = std::min(position, positional - 1);
    if (position < positional) add_values(command.parameters[position], find_values, found);
    if (position < positional && !begun.starts_with('-')) return;
    for (const Parameter& each : command.parameters) {
        if (!each.positional && (each.repeats() || !given.contains(each.option())))
            found.insert(each.option());
    }
    if (begun.starts_with('-')) found.insert({"--help", "--json"});
}

} // namespace

std::vector<std::string> completions(const CommandSet& commands, std::span<const std::string> words,
                                     std::string_view begun, const FindValues& find_values) {
    Words found;
    const auto [command, used] = commands.match(words);
    if (words.empty() || (words[0] == "help" && !begun.starts_with('-'))) {
        add_command_words(commands, words.subspan(words.empty() ? 0 : 1), found);
    } else if (command == nullptr || used == words.size()) {
        add_command_words(commands, words, found);
    }
    if (command != nullptr && !command->method.empty())
        add_arguments(*command, words.subspan(used), begun, find_values, found);
    std::vector<std::string> fitting;
    for (const std::string& each : found) {
        if (each.starts_with(begun) && is_printable_utf8(each)) fitting.push_back(each);
    }
    return fitting;
}

std::vector<std::string> values_of(ControlClient& client, const std::string& kind) {
    std::vector<std::string> values;
    const auto text = [](const json& object, const char* name) {
        const auto found = object.is_object() ? object.find(name) : object.end();
        return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    const auto list = [](const json& object, const char* name) {
        const auto found = object.is_object() ? object.find(name) : object.end();
        return found != object.end() && found->is_array() ? *found : json::array();
    };
    const auto answer = client.call("devices.list", json::object(), std::chrono::seconds(1));
    if (!answer) return values;
    for (const json& device : list(*answer, "devices")) {
        if (kind == "devices") values.push_back(text(device, "id"));
        for (const json& port : list(device, "ports")) {
            const std::string role = text(port, "role");
            if (kind == "ports" || kind == role + "s") values.push_back(text(port, "name"));
        }
    }
    return values;
}

} // namespace plugbay::core::ctl
