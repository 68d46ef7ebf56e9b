#include "core/cli/ctl/command_set.hpp"

#include "core/base/nearest_name.hpp"
#include "core/control/method.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

namespace plugbay::core::ctl {

using nlohmann::json;

namespace {

constexpr std::size_t most_methods = 1000;
constexpr std::size_t longest_name = 64;

// Null where there is none.
json member(const json& object, std::string_view name) {
    if (!object.is_object()) return {};
    const auto found = object.find(name);
    return found != object.end() ? *found : json();
}

std::string text_in(const json& object, std::string_view name) {
    const json value = member(object, name);
    return value.is_string() ? value.get<std::string>() : std::string();
}

// Names are typed, shown, and put into shells.
bool is_name(std::string_view name) {
    const auto fits = [](unsigned char byte) {
        return std::islower(byte) != 0 || std::isdigit(byte) != 0 || byte == '_' || byte == '.' ||
               byte == '-';
    };
    return !name.empty() && name.size() <= longest_name && name.front() != '-' &&
           std::ranges::all_of(name, fits);
}

std::string hyphened(std::string_view name) {
    std::string result(name);
    std::ranges::replace(result, '_', '-');
    return result;
}

std::vector<std::string> words_of(std::string_view name) {
    std::vector<std::string> words;
    while (true) {
        const std::size_t dot = name.find('.');
        words.push_back(hyphened(name.substr(0, dot)));
        if (dot == name.npos) return words;
        name.remove_prefix(dot + 1);
    }
}

std::vector<Parameter> parameters_of(const json& params) {
    std::vector<Parameter> parameters;
    const json members = member(params, "properties");
    for (const json& name : member(params, "required")) {
        if (!name.is_string() || !is_name(name.get_ref<const std::string&>())) continue;
        const auto& text = name.get_ref<const std::string&>();
        parameters.push_back({text, member(members, text), true, true});
    }
    if (!members.is_object()) return parameters;
    for (const auto& [name, schema] : members.items()) {
        const bool known = std::ranges::find(parameters, name, &Parameter::name) != parameters.end();
        if (is_name(name) && !known) parameters.push_back({name, schema, false, false});
    }
    return parameters;
}

// Takes names of events as they come.
void make_follow_events(Command& command, const json& description) {
    json names = json::array();
    for (const json& event : member(description, "events"))
        names.push_back(text_in(event, "name"));
    command.words = {"events"};
    command.help = "Shows events as they come, one a line, until the machine ends.";
    for (Parameter& parameter : command.parameters) {
        if (parameter.name != "events" || !parameter.has_type("array")) continue;
        parameter.positional = true;
        if (parameter.schema["items"].is_object()) parameter.schema["items"]["enum"] = std::move(names);
    }
}

Command help_command() {
    const json words = {
        {"type", "array"}, {"description", "which command; all without it"}, {"items", {{"type", "string"}}}};
    return {.method = "",
            .words = {"help"},
            .help = "Lists the commands, or tells all about one.",
            .parameters = {{"command", words, false, true}},
            .result = {}};
}

std::string upper(std::string_view name) {
    std::string result = hyphened(name);
    std::ranges::transform(result, result.begin(),
                           [](unsigned char byte) { return static_cast<char>(std::toupper(byte)); });
    return result;
}

std::string value_name(const Parameter& parameter) {
    const auto choices = parameter.choices();
    constexpr std::size_t most_shown = 4;
    if (choices.empty() || choices.size() > most_shown) return upper(parameter.name);
    return fmt::format("{}", fmt::join(choices, "|"));
}

} // namespace

bool Parameter::has_type(std::string_view type) const {
    return text_in(schema, "type") == type;
}

std::vector<std::string> Parameter::choices() const {
    std::vector<std::string> choices;
    const json values = member(has_type("array") ? member(schema, "items") : schema, "enum");
    for (const json& each : values) {
        if (each.is_string()) choices.push_back(each.get<std::string>());
    }
    return choices;
}

std::string Parameter::completes() const {
    return text_in(has_type("array") ? member(schema, "items") : schema, "x-completes");
}

bool Parameter::is_working_directory() const {
    return has_type("string") && text_in(schema, "x-default") == "working directory";
}

std::string Parameter::option() const {
    return "--" + hyphened(name);
}

std::string Parameter::help() const {
    return text_in(schema, "description");
}

std::string Command::name() const {
    return fmt::format("{}", fmt::join(words, " "));
}

std::string Command::usage() const {
    std::string usage = name();
    for (const Parameter& each : parameters) {
        std::string word = each.positional  ? value_name(each)
                           : each.is_flag() ? each.option()
                                            : each.option() + " " + value_name(each);
        if (each.repeats() && each.positional) word += "...";
        usage += each.required ? " " + word : " [" + word + "]";
    }
    return usage;
}

const Parameter* Command::find_option(std::string_view option) const {
    const std::string wanted = hyphened(option);
    const auto found = std::ranges::find_if(
        parameters, [&](const Parameter& each) { return !each.positional && each.option() == wanted; });
    return found != parameters.end() ? &*found : nullptr;
}

CommandSet::CommandSet(const json& description) {
    for (const json& method : member(description, "methods")) {
        const std::string name = text_in(method, "name");
        if (!is_name(name) || commands_.size() == most_methods) continue;
        Command command{.method = name,
                        .words = words_of(name),
                        .help = text_in(method, "help"),
                        .parameters = parameters_of(member(method, "params")),
                        .result = member(method, "result")};
        if (command.words.size() > 1 && command.words[0] == "machine")
            command.words.erase(command.words.begin());
        if (command.follows_events()) make_follow_events(command, description);
        commands_.push_back(std::move(command));
    }
    commands_.push_back(help_command());
    std::ranges::sort(commands_, {}, &Command::words);
}

CommandSet::Match CommandSet::match(std::span<const std::string> words) const {
    std::vector<std::string> wanted;
    std::vector<std::size_t> taken; // words that make up wanted[0 ... i]
    for (std::size_t i = 0; i < words.size() && i < 8 && is_name(words[i]); ++i) {
        for (const std::string& each : words_of(words[i])) {
            wanted.push_back(each);
            taken.push_back(i + 1);
        }
    }
    std::size_t skipped = !wanted.empty() && wanted[0] == "machine" ? 1 : 0;
    const std::span<const std::string> rest = std::span(wanted).subspan(skipped);
    Match best;
    std::size_t longest = 0;
    for (const Command& each : commands_) {
        if (each.words.size() > longest && each.words.size() <= rest.size() &&
            std::ranges::equal(each.words, rest.first(each.words.size()))) {
            longest = each.words.size();
            best = {&each, taken[skipped + longest - 1]};
        }
    }
    if (best.command != nullptr || rest.size() != 1) return best;
    for (const Command& each : commands_) {
        if (each.words.size() == 2 && each.words[0] == rest[0] && each.words[1] == "list")
            return {&each, taken.back()};
    }
    return best;
}

bool CommandSet::begins(std::string_view word) const {
    const std::string wanted = words_of(word.substr(0, longest_name)).front();
    return wanted == "machine" ||
           std::ranges::any_of(commands_, [&](const Command& each) { return each.words[0] == wanted; });
}

std::string CommandSet::nearest(std::span<const std::string> words) const {
    std::vector<std::string> names;
    for (const Command& each : commands_)
        names.push_back(each.name());
    // The words that follow a command's name do not make it less near.
    for (std::size_t count = std::min<std::size_t>(words.size(), 3); count > 0; --count) {
        const std::string wanted =
            fmt::format("{}", fmt::join(words.first(count), " ")).substr(0, longest_name);
        if (std::string found = nearest_name(wanted, names); !found.empty()) return found;
    }
    return {};
}

const CommandSet& own_commands() {
    static const CommandSet commands(description_of(control_methods()));
    return commands;
}

std::string help_text(const CommandSet& commands) {
    std::vector<std::pair<std::string, std::string>> rows;
    std::size_t width = 0;
    for (const Command& each : commands.commands()) {
        rows.emplace_back(each.usage(), each.help.substr(0, each.help.find(". ")));
        width = std::max(width, each.usage().size());
    }
    constexpr std::size_t widest = 44;
    std::string text;
    for (const auto& [usage, help] : rows) {
        if (usage.size() > widest)
            text += fmt::format("  {}\n  {:{}}  {}\n", usage, "", std::min(width, widest), help);
        else
            text += fmt::format("  {:{}}  {}\n", usage, std::min(width, widest), help);
    }
    return text;
}

std::string help_text(const Command& command) {
    std::string text = fmt::format("{}\n\n  {}\n", command.usage(), command.help);
    std::size_t width = 0;
    for (const Parameter& each : command.parameters)
        width = std::max(width, each.option().size());
    if (!command.parameters.empty()) text += '\n';
    for (const Parameter& each : command.parameters) {
        const auto choices = each.choices();
        text +=
            fmt::format("  {:{}}  {}{}\n", each.positional ? upper(each.name) : each.option(), width,
                        each.help(), choices.empty() ? "" : fmt::format(" ({})", fmt::join(choices, ", ")));
    }
    return text;
}

} // namespace plugbay::core::ctl
