#include "core/cli/validate_command.hpp"

#include "core/cli/exit_status.hpp"
#include "core/cli/plugin_text.hpp"
#include "core/cli/terminal_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <unistd.h>

namespace plugbay::core {

namespace {

using validation::Check;
using validation::CheckResult;
using validation::Verdict;
using Json = nlohmann::ordered_json;

int list_checks(std::ostream& out, bool json) {
    if (json) {
        Json list = Json::array();
        for (const Check& check : validation::checks()) {
            list.push_back({{"id", check.id},
                            {"title", check.title},
                            {"advice", check.advice},
                            {"of", check.scope == Check::Scope::file ? "file" : "type"}});
        }
        print_json(out, list);
    } else {
        for (const Check& check : validation::checks())
            out << fmt::format("{:<15}{}\n", check.id, check.title);
    }
    return exit_status::success;
}

Json result_json(const CheckResult& result) {
    Json json = {{"id", result.check->id},
                 {"title", result.check->title},
                 {"type", result.type.empty() ? Json() : Json(result.type)},
                 {"result", validation::verdict_name(result.verdict)},
                 {"milliseconds", result.duration.count()}};
    if (!result.why.empty()) json["why"] = result.why;
    if (!result.hint.empty()) json["hint"] = result.hint;
    if (!result.why.empty() && !result.step.empty()) json["step"] = result.step;
    if (!result.warnings.empty()) json["warnings"] = result.warnings;
    if (!result.output.empty()) json["output"] = result.output;
    return json;
}

Colour colour_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::passed:
        return Colour::good;
    case Verdict::skipped:
        return Colour::none;
    case Verdict::warned:
        return Colour::attention;
    default:
        return Colour::bad;
    }
}

class Printer {
  public:
    explicit Printer(std::ostream& out) : out_(out), colours_(wants_colours(STDOUT_FILENO)) {}

    void operator()(const CheckResult& result) {
        if (result.type != type_)
            out_ << '\n' << coloured(printable(result.type), Colour::heading, colours_) << '\n';
        type_ = result.type;
        const std::string verdict = fmt::format("{:<8}", validation::verdict_name(result.verdict));
        out_ << fmt::format("{:<15}", result.check->id)
             << coloured(verdict, colour_of(result.verdict), colours_) << ' ' << result.check->title << '\n';
        if (!result.why.empty()) line(result.why);
        const bool bad = result.verdict == Verdict::failed || result.verdict == Verdict::crashed;
        if (bad && !result.step.empty()) line("in: " + result.step);
        for (const std::string& warning : result.warnings)
            line(warning);
        if (bad && !result.output.empty()) line("it printed: " + result.output);
        if (bad && !result.hint.empty()) line(result.hint);
        out_.flush();
    }

  private:
    void line(const std::string& text) { out_ << "        " << printable(text) << '\n'; }

    std::ostream& out_;
    bool colours_;
    std::string type_;
};

void print_sum(std::ostream& out, const std::vector<CheckResult>& results) {
    out << fmt::format("\n{} checks:", results.size());
    constexpr std::array verdicts{Verdict::passed, Verdict::warned, Verdict::skipped, Verdict::failed,
                                  Verdict::crashed};
    bool first = true;
    for (const Verdict verdict : verdicts) {
        const auto count = std::ranges::count(results, verdict, &CheckResult::verdict);
        if (count == 0) continue;
        out << fmt::format("{} {} {}", first ? "" : ",", count,
                           verdict == Verdict::warned ? "passed with warnings"
                                                      : validation::verdict_name(verdict));
        first = false;
    }
    out << '\n';
    const std::size_t lacking = validation::lacking_peers(results);
    if (lacking != 0)
        out << fmt::format("{} {} a peer; give it with --peer FILE[:TYPE]\n", lacking,
                           lacking == 1 ? "check needs" : "checks need");
}

} // namespace

int validate_command(std::ostream& out, const ValidateCommand& command) {
    if (command.list) return list_checks(out, command.json);
    if (command.options.file.empty()) {
        std::cerr << "plugbay validate: the file of a plugin is needed\n";
        return exit_status::usage;
    }
    Printer print(out);
    const auto results = validation::validate(command.options, [&](const CheckResult& result) {
        const bool finding = result.verdict != Verdict::passed && result.verdict != Verdict::skipped;
        if (!command.json && (finding || !command.findings)) print(result);
    });
    if (!results) {
        std::cerr << "plugbay validate: " << results.error().text() << '\n';
        return exit_status::usage;
    }
    const bool good = validation::all_good(*results);
    if (command.json) {
        Json json = {{"file", command.options.file.string()},
                     {"seed", command.options.seed},
                     {"good", good},
                     {"complete", validation::lacking_peers(*results) == 0}};
        json["results"] = Json::array();
        for (const CheckResult& result : *results)
            json["results"].push_back(result_json(result));
        print_json(out, json);
    } else {
        print_sum(out, *results);
    }
    return good ? exit_status::success : exit_status::failure;
}

} // namespace plugbay::core
