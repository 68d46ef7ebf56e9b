#include "core/base/log_options.hpp"

#include "core/base/nearest_name.hpp"
#include "core/base/utf8.hpp"

#include <algorithm>
#include <array>

namespace plugbay::core {

namespace {

constexpr std::array level_values = {LogLevel::trace, LogLevel::debug, LogLevel::info,
                                     LogLevel::warn,  LogLevel::err,   LogLevel::off};

// What a device's id may be.
bool is_name(std::string_view text) {
    constexpr std::size_t longest = 64;
    return !text.empty() && text.size() <= longest && std::ranges::all_of(text, [](char each) {
        return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') || (each >= '0' && each <= '9') ||
               each == '.' || each == '_' || each == '-';
    });
}

} // namespace

Result<LogLevel> read_log_level(std::string_view text) {
    std::vector<std::string> known;
    for (const LogLevel level : level_values) {
        if (name_of(level) == text) return level;
        known.emplace_back(name_of(level));
    }
    const std::string nearest = nearest_name(text, known);
    return Error{"\"" + printable_text(text) +
                     "\" is no log level: trace, debug, info, warning, error and off are",
                 nearest.empty() ? "" : "did you mean \"" + nearest + "\"?"};
}

Result<void> add_log_level(LogLevels& levels, std::string_view text) {
    const std::size_t equals = text.find('=');
    const auto level = read_log_level(equals == std::string_view::npos ? text : text.substr(equals + 1));
    if (!level) return level.error();
    if (equals == std::string_view::npos) {
        levels.general = *level;
        return {};
    }
    const std::string_view name = text.substr(0, equals);
    if (!is_name(name)) {
        return Error{"\"" + printable_text(name) + "\" is no name of a subsystem or device",
                     "write LEVEL, or NAME=LEVEL"};
    }
    levels.named.insert_or_assign(std::string(name), *level);
    return {};
}

} // namespace plugbay::core
