#include "core/validate/validate.hpp"

#include "core/plugin/metadata_reader.hpp"
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

// "TYPE.rest" or "rest"; nothing: it is for another type. Types have no dot in their names.
std::optional<std::string> meant_for(const std::string& type, const std::string& text,
                                     const std::vector<std::string>& types) {
    for (const std::string& each : types) {
        if (text.starts_with(each + ".")) {
            if (each == type) return text.substr(each.size() + 1);
            return std::nullopt;
        }
    }
    return text;
}

class Suite {
  public:
    Suite(const ValidateOptions& options, std::vector<std::string> types)
        : options_(options), types_(std::move(types)) {}

    CheckRequest request(const Check& check, const std::string& type) const {
        CheckRequest request{
            .check = &check, .trial = {}, .limit = options_.limit, .executable = options_.executable};
        request.trial.file = std::filesystem::absolute(options_.file).lexically_normal();
        request.trial.type = type;
        request.trial.seed = options_.seed;
        request.trial.fuzz =
            check.id == std::string_view("PB-FUZZ-001") ? options_.fuzz : std::chrono::seconds(0);
        for (const std::string& setting : options_.settings) {
            const std::size_t equals = setting.find('=');
            const auto name = meant_for(type, setting.substr(0, equals), types_);
            if (name) request.trial.properties.emplace_back(*name, setting.substr(equals + 1));
        }
        for (const std::string& field : options_.kept) {
            if (const auto name = meant_for(type, field, types_)) request.trial.kept.insert(*name);
        }
        return request;
    }
    CheckResult run(const Check& check, const std::string& type) const {
        return options_.in_process ? check_here(request(check, type))
                                   : check_in_process_of_its_own(request(check, type));
    }

  private:
    const ValidateOptions& options_;
    std::vector<std::string> types_;
};

Result<std::vector<std::string>> chosen_types(const ValidateOptions& options,
                                              const PluginDescription& plugin) {
    std::vector<std::string> all;
    for (const TypeDescription& type : plugin.types)
        all.push_back(type.name);
    for (const std::string& wanted : options.types) {
        if (std::ranges::none_of(all,
                                 [&](const std::string& type) { return matches({wanted}, type.c_str()); }))
            return Error{fmt::format("{} has no device type \"{}\"", options.file.string(), wanted),
                         fmt::format("it has: {}", fmt::join(all, ", "))};
    }
    std::erase_if(all, [&](const std::string& type) { return !matches(options.types, type.c_str()); });
    return all;
}

} // namespace

std::string_view verdict_name(Verdict verdict) {
    constexpr std::array<std::string_view, 5> names{"passed", "failed", "crashed", "skipped", "warning"};
    return names[static_cast<std::size_t>(verdict)];
}

Result<std::vector<CheckResult>> validate(const ValidateOptions& options,
                                          const std::function<void(const CheckResult&)>& tell) {
    if (const auto good = check_patterns(options.include); !good) return good.error();
    for (const std::string& setting : options.settings) {
        if (setting.find('=') == std::string::npos)
            return Error{fmt::format("--set {} has no value", setting),
                         "write --set NAME=VALUE or TYPE.NAME=VALUE"};
    }
    std::error_code failed;
    if (!std::filesystem::is_regular_file(options.file, failed))
        return Error{options.file.string() + " is no file", "name a plugin's file"};

    const auto plugin = read_plugin_metadata(options.file);
    std::vector<std::string> types;
    if (plugin) {
        auto chosen = chosen_types(options, *plugin);
        if (!chosen) return chosen.error();
        types = *std::move(chosen);
    }
    const Suite suite(options, types);
    std::vector<CheckResult> results;
    const auto run = [&](const Check& check, const std::string& type) {
        results.push_back(suite.run(check, type));
        tell(results.back());
    };
    for (const Check& check : checks()) {
        if (check.scope == Check::Scope::file && matches(options.include, check.id)) run(check, "");
    }
    for (const std::string& type : types) {
        for (const Check& check : checks()) {
            if (check.scope == Check::Scope::type && matches(options.include, check.id)) run(check, type);
        }
    }
    // Of a file that cannot be read that is the reason, whatever was asked for.
    if (results.empty() && !plugin) return plugin.error();
    return results;
}

bool all_good(const std::vector<CheckResult>& results) {
    return std::ranges::none_of(results, [](const CheckResult& result) {
        return result.verdict == Verdict::failed || result.verdict == Verdict::crashed;
    });
}

} // namespace plugbay::core::validation
