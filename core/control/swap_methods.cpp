// Methods about hot swap.
#include "core/control/methods.hpp"
#include "core/hotswap/hot_swap.hpp"
#include "core/machine/machine.hpp"

#include <fmt/format.h>

namespace plugbay::core {

using nlohmann::json;

namespace {

constexpr std::int64_t longest_limit = 600'000; // milliseconds

const char* outcome_name(SwapReport::Outcome outcome) {
    constexpr const char* names[] = {"refused", "tried", "probation", "committed", "rolled_back", "lost"};
    return names[static_cast<std::size_t>(outcome)];
}

Result<json> swap(const ControlTarget& target, const json& params) {
    const auto& id = params["device"].get_ref<const std::string&>();
    SwapRequest request{.devices = {id},
                        .rehearse = params.value("rehearse", true),
                        .dry_run = params.value("dry_run", false)};
    if (params.value("all", false)) {
        auto all = target.hot_swap.devices_of_plugin(id);
        if (!all) return std::move(all).error();
        request.devices = *std::move(all);
    }
    request.file = std::filesystem::absolute(std::filesystem::path(params.value("directory", "")) /
                                             params["file"].get<std::string>());
    if (params.contains("timeout"))
        request.limit = std::chrono::milliseconds(params["timeout"].get<std::int64_t>());
    if (params.contains("probation"))
        request.probation = std::chrono::milliseconds(params["probation"].get<std::int64_t>());
    const SwapReport& report = target.hot_swap.swap(request);
    if (report.outcome == SwapReport::Outcome::refused) {
        return Error{fmt::format("refused at step {}: {}; nothing has changed",
                                 step_name(report.journal.last()), report.why),
                     report.hint};
    }
    return json_of(report);
}

Result<json> report_of(const ControlTarget& target, const json& params) {
    const auto& id = params["device"].get_ref<const std::string&>();
    if (const SwapReport* const report = target.hot_swap.last(id)) return json_of(*report);
    const auto device = target.machine.devices().find_named(id);
    if (!device) return device.error();
    return Error{fmt::format("device \"{}\" was never swapped", id)};
}

} // namespace

json swap_report_schema() {
    const json step = schema::object(
        "", {{"step", schema::text("its name")}, {"microseconds", schema::number("that it took")}});
    return schema::object(
        "",
        {{"outcome", schema::choice("what came of it; on probation the new build serves and is watched",
                                    {"refused", "tried", "probation", "committed", "rolled_back", "lost"})},
         {"devices", schema::list("that were swapped together", schema::text("an id"))},
         {"file", schema::text("of the new build")},
         {"before", schema::text("the build that ran")},
         {"after", schema::text("the new build")},
         {"pause_microseconds",
          schema::number("from gate closed to gate open: what the guest may have seen of the swap")},
         {"snapshot_microseconds",
          schema::number("for which a device was held before, for its rehearsal; of several the longest; 0: "
                         "none was")},
         {"steps", schema::list("in order; the last one is where it ended", step)},
         schema::optional("why", schema::text("why it was refused or rolled back, or that it misbehaved")),
         schema::optional("hint", schema::text("what to do about it")),
         {"notes", schema::list("what is different, what was not rehearsed, what became of the old library",
                                schema::text("a sentence"))}});
}

json json_of(const SwapReport& report) {
    json steps = json::array();
    for (const auto& each : report.journal.entries())
        steps.push_back(
            {{"step", step_name(each.step)}, {"microseconds", static_cast<double>(each.took) / 1000}});
    json all{{"outcome", outcome_name(report.outcome)},
             {"devices", report.devices},
             {"file", report.file},
             {"before", report.before},
             {"after", report.after},
             {"pause_microseconds", static_cast<double>(report.journal.pause()) / 1000},
             {"snapshot_microseconds", std::chrono::duration<double, std::micro>(report.snapshot).count()},
             {"steps", std::move(steps)},
             {"notes", report.notes}};
    if (!report.why.empty()) all["why"] = report.why;
    if (!report.hint.empty()) all["hint"] = report.hint;
    return all;
}

void add_swap_methods(MethodTable& table) {
    const json device = completed(schema::text("the device"), "devices");
    table.add(Method{
        .name = "swap",
        .help =
            "Replaces a device's build while the guest runs, with its state. A build that misbehaves costs "
            "nothing: the old one serves on.",
        .params = schema::object(
            "",
            {{"device", device},
             {"file", schema::text("the plugin file with the new build")},
             schema::optional("all", schema::boolean("all devices of the device's plugin, at once")),
             schema::optional("directory", directory_schema()),
             schema::optional("dry_run", schema::boolean("only try it in a process of its own")),
             schema::optional("probation", schema::integer("milliseconds for which the new build is watched; "
                                                           "2000 without it",
                                                           0, longest_limit)),
             schema::optional("rehearse",
                              schema::boolean("try it in a process of its own first; true without it")),
             schema::optional("timeout",
                              schema::integer("milliseconds for what is in flight to end; 5000 without it", 1,
                                              longest_limit))}),
        .result = swap_report_schema(),
        .run = &swap});
    table.add(Method{.name = "swap.report",
                     .help = "Tells what became of a device's last swap.",
                     .params = schema::object("", {{"device", device}}),
                     .result = swap_report_schema(),
                     .run = &report_of});
    table.add(
        Method{.name = "swap.back",
               .help = "Goes back to the build before, with its state, while the new one is on probation.",
               .params = schema::object("", {{"device", device}}),
               .result = nothing(),
               .run = [](const ControlTarget& target, const json& params) {
                   return done(target.hot_swap.roll_back(params["device"].get<std::string>()));
               }});
}

} // namespace plugbay::core
