// What a method gives, for people's eyes: an object as lines of keys and values, a list of objects as a table, a text as it
// is, nothing for an empty object. What contains only one thing is shown as that thing.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <iosfwd>

namespace plugbay::core::ctl {

// `schema` says in which order members come; without one it is their names'. Nothing that a terminal would obey is written.
void print_result(std::ostream& out, const nlohmann::json& result, const nlohmann::json& schema,
                  bool colours);

// An event as `events` shows it, in one line: the time of day, its name, and what it says.
void print_event(std::ostream& out, const nlohmann::json& event, bool colours);

} // namespace plugbay::core::ctl
