#include "core/cli/command_completion.hpp"

#include "core/cli/ctl/ctl_command.hpp"

#include <algorithm>
#include <span>
#include <string>

namespace plugbay::core {

namespace {

const CLI::App* find_subcommand(const CLI::App& app, const std::string& name) {
    const auto found = app.get_subcommands([&](const CLI::App* each) { return each->get_name() == name; });
    return found.empty() ? nullptr : found.front();
}

// Its value comes in the next word.
bool wants_value(const CLI::App& app, const std::string& word) {
    if (!word.starts_with('-')) return false;
    const CLI::Option* option = app.get_option_no_throw(word);
    return option != nullptr && option->get_items_expected_max() > 0;
}

std::vector<std::string> option_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames())
            names.push_back("--" + name);
    }
    return names;
}

std::vector<std::string> candidates(const CLI::App& app, std::span<const std::string> words,
                                    const std::string& begun) {
    const CLI::App* command = &app;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (wants_value(*command, words[i])) {
            if (i + 1 == words.size()) return {};
            ++i;
        } else if (const CLI::App* found = find_subcommand(*command, words[i]); found != nullptr) {
            command = found;
            if (found->get_name() == "ctl")
                return ctl_completions({words.begin() + i + 1, words.end()}, begun);
        }
    }
    if (begun.starts_with('-')) return option_names(*command);
    std::vector<std::string> names;
    for (const CLI::App* each : command->get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(each->get_name());
    if (command->get_name() == "top") names = machine_names();
    return names;
}

} // namespace

std::vector<std::string> command_completions(const CLI::App& app, std::vector<std::string> words) {
    const std::string begun = words.empty() ? std::string() : words.back();
    if (!words.empty()) words.pop_back();
    auto found = candidates(app, words, begun);
    std::erase_if(found, [&](const std::string& each) { return !each.starts_with(begun); });
    std::ranges::sort(found);
    return found;
}

} // namespace plugbay::core
