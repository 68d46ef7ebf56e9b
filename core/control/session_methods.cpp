// What is about a session itself: its server answers these. And what it can be told.
#include "core/control/methods.hpp"

namespace plugbay::core {

using nlohmann::json;

void add_session_methods(MethodTable& table) {
    const json described = schema::object("a method or an event",
                                          {{"name", schema::text("what to call it")},
                                           {"help", schema::text("what it is for")},
                                           {"params", schema::anything("a JSON Schema")},
                                           schema::optional("result", schema::anything("a JSON Schema"))});
    table.add(Method{.name = "describe",
                     .help = "Lists every method and event with JSON Schemas of what it takes and gives.",
                     .params = schema::object("", {}),
                     .result = schema::object("", {{"methods", schema::list("all methods", described)},
                                                   {"events", schema::list("all events", described)}}),
                     .run = nullptr});
    table.add(Method{
        .name = "events.subscribe",
        .help = "Sends events to this client from now on, as notifications, in place of those subscribed to "
                "before. "
                "A client that reads too slowly misses some; the next one that it gets has \"dropped\", "
                "their number.",
        .params = schema::object("", {schema::optional("events", schema::list("which; all without it",
                                                                              schema::text("an event")))}),
        .result =
            schema::object("", {{"events", schema::list("subscribed to now", schema::text("an event"))}}),
        .run = nullptr});

    const json device = schema::object("", {{"device", schema::text("its id")}});
    const json link = schema::object("", {{"backend", schema::text("the backend's port")},
                                          {"frontend", schema::text("the frontend's port")}});
    table.add(EventKind{"machine.paused", "The guest stands still.", schema::object("", {})});
    table.add(EventKind{"machine.resumed", "The guest runs again.", schema::object("", {})});
    table.add(EventKind{"machine.reset", "Everything is back at power-on.", schema::object("", {})});
    table.add(EventKind{"machine.ended", "The guest has ended, and the monitor is about to.",
                        schema::object("", {{"reason", schema::text("why, in one line")}})});
    table.add(EventKind{"device.added", "A device is there and runs.", device});
    table.add(EventKind{"device.removed", "A device is gone.", device});
    table.add(EventKind{"device.swapped", "A device has another build, or the one before again.", device});
    table.add(EventKind{"shadow.over", "A shadow has ended.", shadow_report_schema()});
    table.add(EventKind{"swap.over", "The probation of a swap is over, one way or the other.",
                        swap_report_schema()});
    table.add(EventKind{"trace.access",
                        "The guest has accessed a device that is traced, or something else came to it.",
                        traced_access_schema()});
    table.add(EventKind{
        "trace.over", "A device is not traced any more.",
        schema::object("", {{"device", schema::text("its id")},
                            {"why", schema::text("why not")},
                            {"left_out", schema::integer("what was not told since the last that was")}})});
    table.add(EventKind{"link.connected", "A backend serves a frontend.", link});
    table.add(EventKind{"link.disconnected", "It does so no more.", link});
}

} // namespace plugbay::core
