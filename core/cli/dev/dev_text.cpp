#include "core/cli/dev/dev_text.hpp"

#include "core/cli/dev/tool_output.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iostream>
#include <unistd.h>

namespace plugbay::core::dev {

namespace {

using nlohmann::json;

constexpr std::size_t topic_width = 9;

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

std::string text_in(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// "lamp 1.0.0 (0123456789abcdef...)" with a build id that can be compared at a glance.
std::string short_build(std::string build) {
    constexpr std::size_t digits = 10;
    const std::size_t id = build.find('(');
    if (id != build.npos && build.ends_with(')') && build.size() - id > digits + 2)
        build = build.substr(0, id + 1 + digits) + ')';
    return build;
}

double pause_of(const json& report) {
    const auto found = report.find("pause_microseconds");
    return found != report.end() && found->is_number() ? found->get<double>() : 0;
}

} // namespace

DevText::DevText() : colours_(wants_colours(STDOUT_FILENO)) {}

void DevText::line(std::string_view topic, std::string_view text, Colour colour) const {
    std::cout << coloured(fitted(topic, topic_width), Colour::name, colours_)
              << coloured(printable(text), colour, colours_) << std::endl;
}

void DevText::error(std::string_view topic, const Error& error) const {
    line(topic, error.message, Colour::bad);
    if (!error.hint.empty()) line("", error.hint);
}

void DevText::output(std::string_view text) const {
    std::cout << shown_output(text, colours_) << std::flush;
}

void DevText::build(const BuildCycle& cycle) const {
    const bool tests = cycle.state() == BuildCycle::State::tests_failed;
    if (tests || cycle.state() == BuildCycle::State::failed) {
        line(tests ? "tests" : "build",
             fmt::format("failed after {:.2f} s ({})",
                         seconds(tests ? cycle.tests_took() : cycle.build_took()), cycle.why()),
             Colour::bad);
    }
    if (tests || cycle.state() == BuildCycle::State::failed ||
        cycle.output().find("warning:") != std::string::npos)
        output(cycle.output());
}

void DevText::swap(const SwapResult& result) const {
    if (result.refused) return error("swap", *result.refused);
    if (!result.report) {
        std::vector<std::string> types;
        for (const TypeDescription& each : result.plugin.description.types)
            types.push_back(each.name);
        return line("swap", fmt::format("the machine has no device of type {}", fmt::join(types, ", ")),
                    Colour::attention);
    }
    const json& report = *result.report;
    const std::string before = short_build(text_in(report, "before"));
    const std::string after = short_build(text_in(report, "after"));
    line("swap", fmt::format("{}: {}{}", fmt::join(result.devices, ", "),
                             before == after ? "another build of " : before + " -> ", after));
    line("pause", fmt::format("{:.0f} us; b goes back", pause_of(report)));
    for (const json& note : report.value("notes", json::array())) {
        if (note.is_string()) line("note", note.get<std::string>());
    }
}

void DevText::swaps(const std::vector<SwapResult>& results, const BuildCycle& cycle, Duration live,
                    Duration swap_took) const {
    double pause = 0;
    bool any = false;
    for (const SwapResult& each : results) {
        swap(each);
        if (!each.report) continue;
        any = true;
        pause = std::max(pause, pause_of(*each.report));
    }
    if (!any) return;
    std::string parts = fmt::format("build {:.2f}, ", seconds(cycle.build_took()));
    if (cycle.tests_took().count() != 0) parts += fmt::format("tests {:.2f}, ", seconds(cycle.tests_took()));
    line("live",
         live.count() == 0
             ? fmt::format("now ({}swap {:.2f}; pause {:.0f} us)", parts, seconds(swap_took), pause)
             : fmt::format("in {:.2f} s ({}swap {:.2f}; pause {:.0f} us)", seconds(live), parts,
                           seconds(swap_took), pause),
         Colour::good);
}

void DevText::checks(const PluginChecks::Outcome& outcome) const {
    line("check", fmt::format("{}: {}", outcome.file.filename().string(), outcome.sum),
         !outcome.good              ? Colour::bad
         : outcome.findings.empty() ? Colour::good
                                    : Colour::attention);
    output(outcome.findings);
}

void DevText::back(const std::vector<SwapResult>& results) const {
    for (const SwapResult& each : results) {
        if (each.refused)
            error("back", *each.refused);
        else
            line("back", fmt::format("{}: the build before serves again", fmt::join(each.devices, ", ")),
                 Colour::good);
    }
}

void DevText::keys() const {
    line("keys", "r  build, test and swap again");
    line("", "s  swap what is built, though its tests fail");
    line("", "b  go back to the build before");
    line("", "c  the guest's console; Ctrl-A d leaves it");
    line("", "q  end");
}

} // namespace plugbay::core::dev
