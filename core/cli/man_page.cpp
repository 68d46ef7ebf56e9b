#include "core/cli/man_page.hpp"

#include "core/cli/ctl/command_set.hpp"
#include "core/version.hpp"

#include <fmt/format.h>

#include <span>
#include <string_view>

namespace plugbay::core {

namespace {

constexpr std::string_view ctl_text =
    "Each method of the control socket is a command. MACHINE is a machine's name or the path of a control "
    "socket; it may be "
    "left out if only one machine runs, and a name that is also a command needs -m. Values of lists are "
    "separated by commas; "
    "values of objects are KEY=VALUE or JSON; @FILE is a file with JSON inside. Without a command, a "
    "terminal gets a prompt "
    "with completion and a history, and otherwise each line of standard input is a command.";

struct Row {
    std::string_view title;
    std::string_view text;
};

constexpr Row statuses[] = {
    {"0", "Done; of run: the guest powered off."},
    {"1",
     "The machine could not be made or run; ctl, inspect, new: it was refused; validate: a check failed."},
    {"2", "The command line or the machine file is wrong."},
    {"3", "The guest failed."},
    {"4", "No such machine is running, or it is not clear which one is meant."},
    {"124", "--timeout ended the run."},
    {"128 + N", "Signal N ended the run."},
};

constexpr Row environment[] = {
    {"PLUGBAY_PLUGIN_PATH", "Folders of plugins, separated by colons, that are looked into first."},
    {"PLUGBAY_RUNTIME_DIR", "The folder of control sockets. Without it: plugbay in XDG_RUNTIME_DIR, or "
                            "/run/plugbay for root, or /tmp/plugbay-UID."},
    {"XDG_STATE_HOME", "The prompt's history is plugbay/history in it; ~/.local/state without it."},
    {"NO_COLOR", "Nothing is coloured if this is set."},
};

std::string escaped(std::string_view text) {
    std::string result;
    for (const char byte : text) {
        if (byte == '\\')
            result += "\\e";
        else if (byte == '-')
            result += "\\-";
        else if (byte == '\n')
            result += ' ';
        else if ((byte == '.' || byte == '\'') && result.empty())
            result += fmt::format("\\&{}", byte);
        else
            result += byte;
    }
    return result;
}

void add_item(std::string& page, std::string_view title, std::string_view text) {
    page += fmt::format(".TP\n\\fB{}\\fR\n{}\n", escaped(title), text.empty() ? "\\&" : escaped(text));
}

void add_rows(std::string& page, std::string_view heading, std::span<const Row> rows) {
    page += fmt::format(".SH {}\n", heading);
    for (const Row& row : rows)
        add_item(page, row.title, row.text);
}

void add_options(std::string& page, const CLI::App& app) {
    for (const CLI::Option* option : app.get_options()) {
        std::string title = option->get_name(false, true);
        if (option->get_items_expected_max() > 0 && !option->get_positional())
            title += " " + option->get_type_name();
        add_item(page, title, option->get_description());
    }
}

void add_commands(std::string& page) {
    page += ".SH COMMANDS OF CTL\n" + escaped(ctl_text) + '\n';
    for (const ctl::Command& command : ctl::own_commands().commands()) {
        add_item(page, command.usage(), command.help);
        if (command.parameters.empty()) continue;
        page += ".RS\n";
        for (const ctl::Parameter& each : command.parameters)
            add_item(page, each.positional ? each.name : each.option(), each.help());
        page += ".RE\n";
    }
}

} // namespace

std::string man_page(const CLI::App& app) {
    std::string page =
        fmt::format(".TH PLUGBAY 1 \"\" \"plugbay {}\" \"User Commands\"\n.SH NAME\n{}\n", version_text,
                    "plugbay \\- a KVM virtual machine monitor whose every device is a plugin");
    const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
    page += ".SH SYNOPSIS\n\\fBplugbay\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR ...\n.SH OPTIONS\n";
    add_options(page, app);
    page += ".SH COMMANDS\n";
    for (const CLI::App* command : commands) {
        page += fmt::format(".SS plugbay {}\n{}\n", escaped(command->get_name()),
                            escaped(command->get_description()));
        add_options(page, *command);
    }
    add_commands(page);
    add_rows(page, "EXIT STATUS", statuses);
    add_rows(page, "ENVIRONMENT", environment);
    page += ".SH SEE ALSO\nThe guide is docs/cli.md in the source.\n";
    return page;
}

} // namespace plugbay::core
