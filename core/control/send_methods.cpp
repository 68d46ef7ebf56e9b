// Methods about a machine that is sent to another process.
#include "core/control/methods.hpp"
#include "core/io/stream_place.hpp"
#include "core/machine/machine.hpp"
#include "core/machine/machine_sender.hpp"

#include <filesystem>

namespace plugbay::core {

using nlohmann::json;

namespace {

constexpr std::int64_t most_rounds = 1000; // of a guest that writes faster than it is sent
constexpr std::int64_t longest_pause = 60'000;

json json_of(const SendReport& report) {
    json all{{"id", report.id},
             {"moved", report.moved},
             {"rounds", report.rounds},
             {"bytes", report.bytes},
             {"pause_microseconds", static_cast<double>(report.pause) / 1000}};
    if (report.moved) all["taking_microseconds"] = static_cast<double>(report.taking) / 1000;
    return all;
}

Result<SendRequest> request_of(const json& params) {
    auto address = parse_stream_place(params["to"].get<std::string>());
    if (!address) return std::move(address).error();
    SendRequest request{.move = params.value("move", false)};
    if (!address->path.empty())
        address->path = (std::filesystem::path(params.value("directory", "")) / address->path).string();
    if (request.move && address->path.empty()) {
        return Error{"a machine moves over a Unix socket, which its open files go with",
                     "give unix:PATH, or leave out \"move\""};
    }
    // The directory may have made it longer than a socket's path can be.
    if (auto fits = parse_stream_place("unix:" + address->path); !address->path.empty() && !fits)
        return std::move(fits).error();
    const std::string contents = params.value("contents", "all");
    if (contents == "devices") request.contents = SendRequest::Contents::devices;
    if (contents == "memory") request.contents = SendRequest::Contents::memory;
    if (params.contains("pause"))
        request.pause = std::chrono::milliseconds(params["pause"].get<std::int64_t>());
    if (params.contains("rounds")) request.most_rounds = params["rounds"].get<std::uint32_t>();
    request.to = *std::move(address);
    return request;
}

void send(const ControlTarget& target, const json& params, const Method::Answer& answer) {
    auto request = request_of(params);
    if (!request) return answer(std::move(request).error());
    const auto over = [answer](const Result<SendReport>& report) {
        answer(report ? Result<json>(json_of(*report)) : Result<json>(report.error()));
    };
    if (auto started = target.sender.start(*std::move(request), over); !started)
        answer(std::move(started).error());
}

json progress(const MachineSender& sender) {
    const MachineSender::Progress now = sender.progress();
    return {{"sending", sender.sending()},
            {"rounds", now.rounds},
            {"bytes", now.bytes},
            {"pages_left", now.pages_left}};
}

} // namespace

void add_send_methods(MethodTable& table) {
    table.add(Method{
        .name = "checkpoint.send",
        .help = "Sends the machine to a `plugbay restore` that listens, while the guest runs; it stands "
                "still for "
                "what it writes last. Answers when all is sent.",
        .params = schema::object(
            "",
            {{"to", schema::text("unix:PATH or tcp:ADDRESS:PORT")},
             schema::optional("contents",
                              schema::choice("what is sent; all without it", {"all", "devices", "memory"})),
             schema::optional("directory", directory_schema()),
             schema::optional(
                 "move", schema::boolean("the machine goes on there, with what its devices have open, "
                                         "and ends here; over a Unix socket")),
             schema::optional("pause", schema::integer("milliseconds for which the guest may stand still for "
                                                       "memory, if rounds get it there; 20 without it",
                                                       0, longest_pause)),
             schema::optional("rounds", schema::integer("how often memory is sent at most before the guest "
                                                        "stands still; 20 without it",
                                                        1, most_rounds))}),
        .result = schema::object(
            "",
            {{"id", schema::text("of what was sent")},
             {"moved", schema::boolean("the machine runs at the other side")},
             {"rounds", schema::integer("while the guest ran")},
             {"bytes", schema::integer("that were sent")},
             {"pause_microseconds", schema::number("for which the guest stood still; 0 if it was paused")},
             schema::optional("taking_microseconds",
                              schema::number("of them, for the other side to make the machine"))}),
        .begin = &send});
    table.add(
        Method{.name = "checkpoint.progress",
               .help = "Tells how far the sending of the machine is.",
               .params = schema::object("", {}),
               .result = schema::object(
                   "", {{"sending", schema::boolean("whether it is under way")},
                        {"rounds", schema::integer("of memory that are done")},
                        {"bytes", schema::integer("that were sent")},
                        {"pages_left", schema::integer("that were written and not sent, when the last round "
                                                       "was done")}}),
               .run = [](const ControlTarget& target, const json&) -> Result<json> {
                   return progress(target.sender);
               }});
    table.add(Method{.name = "checkpoint.cancel",
                     .help = "Ends the sending of the machine, which runs on here.",
                     .params = schema::object("", {}),
                     .result = nothing(),
                     .run = [](const ControlTarget& target, const json&) -> Result<json> {
                         if (!target.sender.sending())
                             return Error{"the machine is not being sent", "\"checkpoint.send\" sends it"};
                         target.sender.cancel();
                         return json::object();
                     }});
}

} // namespace plugbay::core
