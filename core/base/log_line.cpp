#include "core/base/log_line.hpp"

#include "core/base/utf8.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <ctime>

namespace plugbay::core {

namespace {

// Never inside a well-formed sequence.
std::string_view cut(std::string_view text) {
    if (text.size() <= longest_log_text) return text;
    std::size_t length = longest_log_text;
    for (int i = 0; i < 3 && is_utf8_continuation(text[length]); ++i)
        --length;
    return text.substr(0, length);
}

std::string time_text(std::chrono::system_clock::time_point time) {
    using std::chrono::microseconds;
    const auto since = std::chrono::duration_cast<microseconds>(time.time_since_epoch());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    const std::time_t whole = seconds.count();
    std::tm date{};
    ::gmtime_r(&whole, &date);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", date.tm_year + 1900, date.tm_mon + 1,
                       date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec, (since - seconds).count());
}

std::string_view colour_of(LogLevel level) {
    switch (level) {
    case LogLevel::err:
    case LogLevel::critical:
        return "\x1b[31m\x1b[1m";
    case LogLevel::warn:
        return "\x1b[33m\x1b[1m";
    case LogLevel::info:
        return "\x1b[32m";
    default:
        return "\x1b[36m";
    }
}

std::string json_line(const LogRecord& record, std::string_view text) {
    using Json = nlohmann::ordered_json;
    const Json json{{"time", time_text(record.time)},
                    {"level", name_of(record.level)},
                    {record.device ? "device" : "subsystem", record.source},
                    {"text", text}};
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

} // namespace

std::string log_line(const LogRecord& record, LogFormat format) {
    std::string_view whole = record.text;
    while (!whole.empty() && (whole.back() == '\n' || whole.back() == '\r'))
        whole.remove_suffix(1);
    const std::string_view kept = cut(whole);
    const std::string_view dots = kept.size() < whole.size() ? "..." : "";
    if (format == LogFormat::json) return json_line(record, std::string(kept).append(dots));

    const std::string source = printable_text(record.source);
    const std::string text = printable_text(kept).append(dots);
    const std::string_view level = name_of(record.level);
    const std::string named = record.device ? source + ": " + text : text;
    switch (format) {
    case LogFormat::coloured:
        return fmt::format("{}{}\x1b[m: {}", colour_of(record.level), level, named);
    case LogFormat::dated:
        return fmt::format("{} {} {}: {}", time_text(record.time), level, source, text);
    case LogFormat::undated:
        return source + ": " + text;
    default:
        return fmt::format("{}: {}", level, named);
    }
}

std::string_view name_of(LogLevel level) {
    const auto name = spdlog::level::to_string_view(level);
    return {name.data(), name.size()};
}

} // namespace plugbay::core
