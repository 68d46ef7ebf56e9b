// The commands of `plugbay ctl`, made from what a machine says about its methods (`describe`), so that every method is a
// command. Nothing here trusts the description: it may come from another program.
#pragma once

#include <nlohmann/json.hpp>

#include <span>
#include <string>
#include <vector>

namespace plugbay::core::ctl {

// One of a command; how it is written follows from its schema:
//   required            VALUE, in the order of the schema's "required"
//   a boolean           --name
//   everything else     --name VALUE
// A list takes commas and repetition; an object takes KEY=VALUE and repetition; a list of objects takes KEY=VALUE,KEY=VALUE and
// repetition. Where it is last and without a name, all words that are left are its.
struct Parameter {
    std::string name; // in the method's params
    nlohmann::json schema;
    bool required = false;
    bool positional = false;

    [[nodiscard]] bool has_type(std::string_view type) const;
    [[nodiscard]] bool repeats() const { return has_type("array") || has_type("object"); }
    [[nodiscard]] bool is_flag() const { return !positional && has_type("boolean"); }
    // What one value has to be one of; empty: that is not limited. Of a list: one of its values.
    [[nodiscard]] std::vector<std::string> choices() const;
    // "x-completes" of the schema, or of a list's values: what `plugbay ctl` finds values among. Empty: nothing.
    [[nodiscard]] std::string completes() const;
    // Where it is not given, it is the folder in which `plugbay ctl` was called.
    [[nodiscard]] bool is_working_directory() const;
    [[nodiscard]] std::string option() const; // "--name"
    [[nodiscard]] std::string help() const;
};

struct Command {
    std::string method;             // empty: `help`, which is no method
    std::vector<std::string> words; // "devices", "remove"
    std::string help;
    std::vector<Parameter> parameters; // positional ones first, in order
    nlohmann::json result;             // schema

    [[nodiscard]] std::string name() const;  // "devices remove"
    [[nodiscard]] std::string usage() const; // "devices remove ID [--force]"
    // Follows events in place of printing a result.
    [[nodiscard]] bool follows_events() const { return method == "events.subscribe"; }
    [[nodiscard]] const Parameter* find_option(std::string_view option) const;
};

class CommandSet {
  public:
    // What is malformed in it is left out.
    explicit CommandSet(const nlohmann::json& description);

    struct Match {
        const Command* command = nullptr; // null: none
        std::size_t words = 0;            // that name it
    };
    // The command with the longest name that the words begin with. "machine" may be left out, dots are blanks, `_` is `-`,
    // and a group's name alone means its `list`.
    [[nodiscard]] Match match(std::span<const std::string> words) const;
    // Whether a command begins with that word.
    [[nodiscard]] bool begins(std::string_view word) const;
    [[nodiscard]] const std::vector<Command>& commands() const { return commands_; } // sorted by name
    [[nodiscard]] std::string nearest(std::span<const std::string> words) const;

  private:
    std::vector<Command> commands_;
};

// The monitor that this program is, for where none runs.
[[nodiscard]] const CommandSet& own_commands();

// All commands, or one with its parameters and what it gives.
[[nodiscard]] std::string help_text(const CommandSet& commands);
[[nodiscard]] std::string help_text(const Command& command);

} // namespace plugbay::core::ctl
