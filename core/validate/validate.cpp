#include "core/validate/validate.hpp"

#include "core/plugin/metadata_reader.hpp"
#include "core/validate/arguments.hpp"
#include "core/validate/check_process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fnmatch.h>

namespace plugbay::core::validation {

namespace {

bool matches(const std::vector<std::string>& patterns, const char* name) {
    return patterns.empty() || std::ranges::any_of(patterns, [&](const std::string& pattern) {
               return ::fnmatch(pattern.c_str(), name, 0) == 0;
           });
}

Result<void> check_patterns(const std::vector<std::string>& patterns) {
    for (const std::string& pattern : patterns) {
        if (std::ranges::none_of(checks(), [&](const Check& check) { return matches({pattern}, check.id); }))
            return Error{fmt::format("no check is called \"{}\"", pattern),
                         "plugbay validate --list shows them; PB-STATE-* is a pattern"};
    }
    return {};
}

class Suite {
  public:
    Suite(const ValidateOptions& options, const Arguments& arguments)
        : options_(options), arguments_(arguments) {}

    // `type` nullptr: of the file.
    CheckResult run(const Check& check, const TypeDescription* type) const {
        return options_.in_process ? check_here(request(check, type))
                                   : check_in_process_of_its_own(request(check, type));
    }

  private:
    CheckRequest request(const Check& check, const TypeDescription* type) const {
        CheckRequest request{
            .check = &check, .trial = {}, .limit = options_.limit, .executable = options_.executable};
        request.trial.file = std::filesystem::absolute(options_.file).lexically_normal();
        request.trial.seed = options_.seed;
        request.trial.fuzz =
            check.id == std::string_view("PB-FUZZ-001") ? options_.fuzz : std::chrono::seconds(0);
        if (type == nullptr) return request;
        request.trial.type = type->name;
        request.trial.properties = arguments_.properties(*type);
        request.trial.kept = arguments_.kept(*type);
        request.trial.peers = arguments_.peers();
        return request;
    }

    const ValidateOptions& options_;
    const Arguments& arguments_;
};

} // namespace

std::string_view verdict_name(Verdict verdict) {
    constexpr std::array<std::string_view, 5> names{"passed", "failed", "crashed", "skipped", "warning"};
    return names[static_cast<std::size_t>(verdict)];
}

Result<std::vector<CheckResult>> validate(const ValidateOptions& options,
                                          const std::function<void(const CheckResult&)>& tell) {
    if (const auto good = check_patterns(options.include); !good) return good.error();
    std::error_code failed;
    if (!std::filesystem::is_regular_file(options.file, failed))
        return Error{options.file.string() + " is no file", "name a plugin's file"};

    const auto plugin = read_plugin_metadata(options.file);
    const auto arguments = Arguments::of(options, plugin ? &*plugin : nullptr);
    if (!arguments) return arguments.error();
    const Suite suite(options, *arguments);
    std::vector<CheckResult> results;
    const auto run = [&](Check::Scope scope, const TypeDescription* type) {
        for (const Check& check : checks()) {
            if (check.scope != scope || !matches(options.include, check.id)) continue;
            results.push_back(suite.run(check, type));
            tell(results.back());
        }
    };
    run(Check::Scope::file, nullptr);
    for (const TypeDescription& type : arguments->types())
        run(Check::Scope::type, &type);
    // Of a file that cannot be read that is the reason, whatever was asked for.
    if (results.empty() && !plugin) return plugin.error();
    return results;
}

bool all_good(const std::vector<CheckResult>& results) {
    return std::ranges::none_of(results, [](const CheckResult& result) {
        return result.verdict == Verdict::failed || result.verdict == Verdict::crashed;
    });
}

std::size_t lacking_peers(const std::vector<CheckResult>& results) {
    return static_cast<std::size_t>(std::ranges::count(results, true, &CheckResult::lacks_peer));
}

} // namespace plugbay::core::validation
