// Methods that are hands at a keyboard and a pointer.
#include "core/control/methods.hpp"
#include "core/machine/machine.hpp"

#include <plugbay/abi/host_event.h>

#include <fmt/format.h>
#include <string>

namespace plugbay::core {

using nlohmann::json;

namespace {

constexpr std::int64_t most_code = 0x2ff;      // KEY_MAX
constexpr std::int64_t most_movement = 0xffff; // either way
constexpr std::int64_t most_position = 0x7fff;

Result<json> publish(const ControlTarget& target, const plugbay_host_event& event, const char* what) {
    if (target.machine.events().publish(event)) return json::object();
    return Error{fmt::format("no device of this machine listens to {}", what),
                 "add one that does, such as a keyboard or a pointer"};
}

std::int32_t number(const json& params, const char* name) {
    return params.value(name, std::int32_t{0});
}

// Presses, releases or repeats it; without a word for that it is pressed and released.
Result<json> strike(const ControlTarget& target, const json& params, std::uint32_t kind, const char* what) {
    plugbay_host_event event{
        .kind = kind, .code = params["code"].get<std::uint32_t>(), .x = 1, .y = 0, .z = 0, .dropped = 0};
    const std::string action = params.value("action", "strike");
    if (action == "release") event.x = 0;
    if (action == "repeat") event.x = 2;
    auto done = publish(target, event, what);
    if (!done || action != "strike") return done;
    event.x = 0;
    return publish(target, event, what);
}

} // namespace

void add_input_methods(MethodTable& table) {
    table.add(
        Method{.name = "input.key",
               .help = "Uses a key of the keyboard. Devices that listen to keys hear of it.",
               .params = schema::object(
                   "", {{"code", schema::integer("the key's number in Linux, as in 30 for A", 1, most_code)},
                        schema::optional(
                            "action", schema::choice("\"strike\", which presses and releases it, without it",
                                                     {"strike", "press", "release", "repeat"}))}),
               .result = nothing(),
               .run = [](const ControlTarget& target, const json& params) {
                   return strike(target, params, PLUGBAY_EVENT_KEY, "keys");
               }});
    table.add(Method{
        .name = "input.button",
        .help = "Uses a button of the pointer.",
        .params = schema::object(
            "", {{"code",
                  schema::integer("the button's number in Linux, as in 272 for the left one", 1, most_code)},
                 schema::optional("action",
                                  schema::choice("\"strike\", which presses and releases it, without it",
                                                 {"strike", "press", "release"}))}),
        .result = nothing(),
        .run = [](const ControlTarget& target, const json& params) {
            return strike(target, params, PLUGBAY_EVENT_BUTTON, "buttons");
        }});
    table.add(Method{
        .name = "input.move",
        .help = "Moves the pointer, or turns its wheel.",
        .params = schema::object(
            "", {schema::optional(
                     "x", schema::integer("to the right; 0 without it", -most_movement, most_movement)),
                 schema::optional("y", schema::integer("down; 0 without it", -most_movement, most_movement)),
                 schema::optional("wheel", schema::integer("steps away from the user; 0 without it",
                                                           -most_movement, most_movement))}),
        .result = nothing(),
        .run = [](const ControlTarget& target, const json& params) {
            return publish(target,
                           {.kind = PLUGBAY_EVENT_MOVE,
                            .code = 0,
                            .x = number(params, "x"),
                            .y = number(params, "y"),
                            .z = number(params, "wheel"),
                            .dropped = 0},
                           "movements of a pointer");
        }});
    table.add(
        Method{.name = "input.position",
               .help = "Puts the pointer somewhere, on devices that know places.",
               .params = schema::object(
                   "", {{"x", schema::integer("32767 is the right edge of the screen", 0, most_position)},
                        {"y", schema::integer("32767 is the lower edge of the screen", 0, most_position)}}),
               .result = nothing(),
               .run = [](const ControlTarget& target, const json& params) {
                   return publish(target,
                                  {.kind = PLUGBAY_EVENT_POSITION,
                                   .code = 0,
                                   .x = number(params, "x"),
                                   .y = number(params, "y"),
                                   .z = 0,
                                   .dropped = 0},
                                  "places of a pointer");
               }});
}

} // namespace plugbay::core
