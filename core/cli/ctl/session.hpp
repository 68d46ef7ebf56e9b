// A machine that is listened to and told what to do, in a person's words.
#pragma once

#include "core/base/result.hpp"
#include "core/cli/ctl/command_set.hpp"
#include "core/control/control_client.hpp"

#include <iosfwd>
#include <span>
#include <string>

namespace plugbay::core::ctl {

struct Style {
    bool json = false;    // results and events as they came
    bool colours = false; // on standard output
    bool prompt = false;  // at one, which shows events by itself
};

class Session {
  public:
    // Takes over the connection, and asks the machine for its commands. One that has no `describe` has those of this program.
    [[nodiscard]] static Result<Session> begin(ControlClient client);

    // Does what the words say. Results go to `out`, what is wrong to `errors`. Returns an exit_status.
    [[nodiscard]] int run(std::span<const std::string> words, Style style, std::ostream& out,
                          std::ostream& errors);

    [[nodiscard]] const CommandSet& commands() const { return commands_; }
    [[nodiscard]] ControlClient& client() { return client_; }

  private:
    Session(ControlClient client, CommandSet commands)
        : client_(std::move(client)), commands_(std::move(commands)) {}
    [[nodiscard]] int follow_events(bool json, bool colours, std::ostream& out);

    ControlClient client_;
    CommandSet commands_;
};

// Writes what `help WORDS` wants to know. Returns an exit_status.
[[nodiscard]] int help(const CommandSet& commands, std::span<const std::string> words, std::ostream& out,
                       std::ostream& errors);

// "plugbay ctl: message (hint)", fit for a terminal.
void tell_error(std::ostream& errors, const Error& error);

} // namespace plugbay::core::ctl
