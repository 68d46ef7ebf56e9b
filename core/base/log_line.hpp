// One line of the log, and how it is shown.
#pragma once

#include <spdlog/common.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace plugbay::core {

using LogLevel = spdlog::level::level_enum;

struct LogRecord {
    std::chrono::system_clock::time_point time = {};
    LogLevel level = LogLevel::info;
    bool device = false;     // `source` is a device's id; else a subsystem's name
    std::string source = {}; //
    std::string text = {};   // any bytes
};

enum class LogFormat : std::uint8_t {
    terminal, // "warning: com1: text"; a subsystem is not named
    coloured, // the same, with the level in colour
    dated,    // "2026-01-31T12:00:00.123456Z warning com1: text"
    undated,  // "com1: text", for where level and time are kept beside the text
    json,     // {"time":...,"level":...,"device" or "subsystem":...,"text":...}, in ASCII
};

// Without an end of line. Whatever is in the record, this is one line that a terminal can be shown: what is no UTF-8 and
// what controls a terminal stands there as \x1b, in JSON as a replacement character and as \u001b. Texts over
// longest_log_text bytes are cut.
[[nodiscard]] std::string log_line(const LogRecord& record, LogFormat format);

inline constexpr std::size_t longest_log_text = 8192;

// "trace", "debug", "info", "warning", "error", "off".
[[nodiscard]] std::string_view name_of(LogLevel level);

} // namespace plugbay::core
