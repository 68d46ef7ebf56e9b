// Methods about shadows: builds that are given what the guest does with another one.
#include "core/control/methods.hpp"
#include "core/hotswap/shadow.hpp"
#include "core/machine/machine.hpp"

#include <fmt/format.h>

namespace plugbay::core {

using nlohmann::json;

namespace {

constexpr std::int64_t longest_duration = 3'600'000; // milliseconds

const char* outcome_name(ShadowReport::Outcome outcome) {
    constexpr const char* names[] = {"running", "equal", "different", "crashed", "hung", "not_comparable"};
    return names[static_cast<std::size_t>(outcome)];
}

json json_of(const std::vector<ShadowReport::Difference>& differences) {
    json all = json::array();
    for (const ShadowReport::Difference& each : differences) {
        all.push_back(
            {{"access", each.access}, {"before", each.before}, {"after", each.after}, {"count", each.count}});
    }
    return all;
}

Result<json> begin(const ControlTarget& target, const json& params) {
    ShadowRequest request{.device = params["device"].get<std::string>(), .file = {}};
    request.file = std::filesystem::absolute(std::filesystem::path(params.value("directory", "")) /
                                             params["file"].get<std::string>());
    if (params.contains("duration"))
        request.duration = std::chrono::milliseconds(params["duration"].get<std::int64_t>());
    if (auto begun = target.shadow.start(request); !begun) return std::move(begun).error();
    return json_of(*target.shadow.last(request.device));
}

Result<json> report_of(const ControlTarget& target, const json& params) {
    const auto& id = params["device"].get_ref<const std::string&>();
    if (const ShadowReport* const report = target.shadow.last(id)) return json_of(*report);
    const auto device = target.machine.devices().find_named(id);
    if (!device) return device.error();
    return Error{fmt::format("device \"{}\" never had a shadow", id)};
}

} // namespace

json shadow_report_schema() {
    const json difference = schema::object(
        "", {{"access", schema::text("what it was, with the register's name")},
             {"before", schema::text("what the guest got, the first time")},
             {"after", schema::text("what the new build said instead")},
             {"count", schema::integer("like it; of a round the first 32 differences are looked at", 1)}});
    const auto differences = [&](std::string_view help) { return schema::list(help, difference); };
    const auto fields = [](std::string_view help) { return schema::list(help, schema::text("a sentence")); };
    return schema::object(
        "",
        {{"outcome", schema::choice("what came of it; different: for no other reason than the builds",
                                    {"running", "equal", "different", "crashed", "hung", "not_comparable"})},
         {"device", schema::text("its id")},
         {"file", schema::text("of the new build")},
         {"before", schema::text("the build that runs")},
         {"after", schema::text("the new build")},
         {"accesses", schema::integer("that the new build was given")},
         {"compared", schema::integer("answers")},
         {"by_clock", schema::integer("answers that depend on the moment, and lie within it")},
         {"inputs",
          schema::integer("what else came, but for timers, and could not be given to the new build")},
         {"lost", schema::integer("accesses that came too fast to be noted")},
         {"rounds", schema::integer("each with a fresh state of the build that runs")},
         {"uncertain_rounds", schema::integer("in which something was not given to the new build as it was")},
         {"differences", differences("between answers, of the same accesses on the same state")},
         {"state_differences", fields("between the states that both save then")},
         {"uncertain_differences", differences("after something that the new build was not given as it was")},
         {"uncertain_state_differences", fields("likewise")},
         schema::optional("why", schema::text("why it is not equal")),
         schema::optional("hint", schema::text("what to do about it")),
         {"notes", schema::list("what is different and does no harm, and why it ended early",
                                schema::text("a sentence"))}});
}

json json_of(const ShadowReport& report) {
    json all{{"outcome", outcome_name(report.outcome)},
             {"device", report.device},
             {"file", report.file},
             {"before", report.before},
             {"after", report.after},
             {"accesses", report.accesses},
             {"compared", report.compared},
             {"by_clock", report.by_clock},
             {"inputs", report.inputs},
             {"lost", report.lost},
             {"rounds", report.rounds},
             {"uncertain_rounds", report.uncertain_rounds},
             {"differences", json_of(report.certain.answers)},
             {"state_differences", report.certain.fields},
             {"uncertain_differences", json_of(report.uncertain.answers)},
             {"uncertain_state_differences", report.uncertain.fields},
             {"notes", report.notes}};
    if (!report.why.empty()) all["why"] = report.why;
    if (!report.hint.empty()) all["hint"] = report.hint;
    return all;
}

void add_shadow_methods(MethodTable& table) {
    const json device = completed(schema::text("the device"), "devices");
    table.add(Method{
        .name = "shadow",
        .help =
            "Gives another build of a device what the guest does with the one that runs, in a process of its "
            "own, and compares their answers and states. The guest notices nothing. Returns at once; "
            "shadow.over tells the end.",
        .params =
            schema::object("", {{"device", device},
                                {"file", schema::text("the plugin file with the new build")},
                                schema::optional("directory", directory_schema()),
                                schema::optional("duration", schema::integer("milliseconds; 5000 without it",
                                                                             1, longest_duration))}),
        .result = shadow_report_schema(),
        .run = &begin});
    table.add(Method{.name = "shadow.report",
                     .help = "Tells what a device's last shadow has found, also while it goes on.",
                     .params = schema::object("", {{"device", device}}),
                     .result = shadow_report_schema(),
                     .run = &report_of});
    table.add(Method{.name = "shadow.stop",
                     .help = "Ends a shadow; what it has found until then counts.",
                     .params = schema::object("", {{"device", device}}),
                     .result = nothing(),
                     .run = [](const ControlTarget& target, const json& params) {
                         return done(target.shadow.stop(params["device"].get<std::string>()));
                     }});
}

} // namespace plugbay::core
