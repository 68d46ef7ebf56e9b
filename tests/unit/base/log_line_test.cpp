#include "core/base/log_line.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace plugbay::core {
namespace {

using namespace std::chrono_literals;

LogRecord record(std::string text) {
    return {.time = std::chrono::system_clock::time_point(1769860800s + 123456us),
            .level = LogLevel::warn,
            .device = true,
            .source = "com1",
            .text = std::move(text)};
}

TEST(LogLine, Formats) {
    LogRecord line = record("the cable is out");
    EXPECT_EQ(log_line(line, LogFormat::terminal), "warning: com1: the cable is out");
    EXPECT_EQ(log_line(line, LogFormat::dated), "2026-01-31T12:00:00.123456Z warning com1: the cable is out");
    EXPECT_EQ(log_line(line, LogFormat::undated), "com1: the cable is out");
    EXPECT_EQ(
        log_line(line, LogFormat::json),
        R"({"time":"2026-01-31T12:00:00.123456Z","level":"warning","device":"com1","text":"the cable is out"})");
    line.device = false;
    line.source = "bus";
    EXPECT_EQ(log_line(line, LogFormat::terminal), "warning: the cable is out");
    EXPECT_EQ(log_line(line, LogFormat::dated), "2026-01-31T12:00:00.123456Z warning bus: the cable is out");
    EXPECT_EQ(
        log_line(line, LogFormat::json),
        R"({"time":"2026-01-31T12:00:00.123456Z","level":"warning","subsystem":"bus","text":"the cable is out"})");
}

TEST(LogLine, ColourIsOfTheLevelOnly) {
    EXPECT_EQ(log_line(record("x"), LogFormat::coloured), "\x1b[33m\x1b[1mwarning\x1b[m: com1: x");
}

TEST(LogLine, NothingReachesATerminalRaw) {
    LogRecord line = record("a\x1b]0;owned\x07\r\nerror: forged\xff\u202e\u0085\n");
    line.source = "c\x1bm";
    for (const LogFormat format : {LogFormat::terminal, LogFormat::dated, LogFormat::undated}) {
        const std::string text = log_line(line, format);
        EXPECT_TRUE(std::ranges::all_of(text, [](char each) { return each >= ' ' && each < 0x7f; })) << text;
        EXPECT_NE(text.find(R"(c\x1bm: a\x1b]0;owned\x07\r\nerror: forged\xff\xe2\x80\xae\xc2\x85)"),
                  std::string::npos)
            << text;
    }
}

TEST(LogLine, JsonIsValidWhateverTheBytes) {
    for (int first = 0; first < 256; ++first) {
        for (const int second : {0, 0x0a, 0x1b, 0x22, 0x5c, 0x7f, 0x80, 0xa0, 0xff}) {
            const std::string text{static_cast<char>(first), static_cast<char>(second), 'z'};
            const std::string line = log_line(record(text), LogFormat::json);
            EXPECT_TRUE(std::ranges::all_of(line, [](char each) { return each >= ' ' && each < 0x7f; }))
                << line;
            const auto json = nlohmann::json::parse(line, nullptr, false);
            ASSERT_TRUE(json.is_object()) << line;
            EXPECT_EQ(json["text"].get<std::string>().back(), 'z');
        }
    }
}

TEST(LogLine, LongTextsAreCutBetweenCharacters) {
    for (const std::size_t ahead : {0U, 1U, 2U, 3U}) {
        std::string text(ahead, 'a');
        while (text.size() < longest_log_text + 1)
            text += "\u20ac";
        const std::string line = log_line(record(text), LogFormat::undated);
        EXPECT_EQ(line.find('\\'), std::string::npos) << "a character was cut in two";
        EXPECT_LE(line.size(), longest_log_text + 20);
        EXPECT_TRUE(line.ends_with("...")) << line.substr(line.size() - 20);
    }
    const std::string fits(longest_log_text, 'a');
    EXPECT_EQ(log_line(record(fits), LogFormat::undated), "com1: " + fits);
}

} // namespace
} // namespace plugbay::core
