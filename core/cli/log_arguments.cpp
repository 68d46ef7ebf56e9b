#include "core/cli/log_arguments.hpp"

#include "core/base/log_options.hpp"

namespace plugbay::core {

void add_log_arguments(CLI::App& app, LogOptions& options) {
    const auto take_levels = [&options](const std::vector<std::string>& texts) {
        for (const std::string& text : texts) {
            if (const auto taken = add_log_level(options.levels, text); !taken)
                throw CLI::ValidationError("--log-level", taken.error().text());
        }
    };
    app.add_option_function<std::vector<std::string>>("--log-level", take_levels,
                                                      "what is logged, or by whom: devices=debug")
        ->type_name("[NAME=]LEVEL")
        ->allow_extra_args(false);
    auto* file = app.add_option("--log-file", options.file, "append the log to this file")->type_name("FILE");
    auto* syslog = app.add_flag("--log-syslog", options.syslog, "send the log to the system's");
    file->excludes(syslog);
    app.add_flag("--log-json", options.json, "a JSON object for each line of the log");
}

} // namespace plugbay::core
