#include "core/base/log.hpp"

#include "core/base/log_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace plugbay::core {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

LogLevel level_of(std::string_view name) {
    for (const LogLevelEntry& entry : log_levels()) {
        if (entry.name == name) return entry.level;
    }
    ADD_FAILURE() << "no log of " << name;
    return LogLevel::off;
}

long count_of(const std::string& text, std::string_view part) {
    long count = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++count;
    return count;
}

TEST(LogLevels, AreReadFromText) {
    LogLevels levels;
    for (const char* text : {"info", "devices=debug", "com1=trace", "com1=off"})
        ASSERT_TRUE(add_log_level(levels, text)) << text;
    EXPECT_EQ(levels.general, LogLevel::info);
    EXPECT_EQ(levels.named.size(), 2U);
    EXPECT_EQ(levels.named.at("devices"), LogLevel::debug);
    EXPECT_EQ(levels.named.at("com1"), LogLevel::off);
}

TEST(LogLevels, MistakesAreExplained) {
    LogLevels levels;
    const auto error_of = [&](std::string_view text) {
        const auto done = add_log_level(levels, text);
        return done ? std::string("taken") : done.error().text();
    };
    EXPECT_EQ(error_of("warnign"),
              "\"warnign\" is no log level: trace, debug, info, warning, error and off are "
              "(did you mean \"warning\"?)");
    EXPECT_THAT(error_of("com1=loud"), HasSubstr("\"loud\" is no log level"));
    for (const std::string text : {"", "=", "com1=", "=info", "a b=info", "com1=info=debug", "\x1b=info"})
        EXPECT_NE(error_of(text), "taken") << text;
    EXPECT_NE(error_of(std::string(65, 'a') + "=info"), "taken");
    EXPECT_TRUE(levels.named.empty());
}

TEST(Log, SubsystemsHaveTheirNames) {
    EXPECT_EQ(name_of(Subsystem::boot), "boot");
    EXPECT_EQ(name_of(Subsystem::hot_plug), "hot-plug");
    EXPECT_EQ(name_of(Subsystem::registry), "registry");
    EXPECT_EQ(log_for(Subsystem::kvm).name(), "kvm");
}

TEST(Log, LevelsAreSetAtRunTime) {
    DeviceLog com1("com1");
    DeviceLog com2("com2");
    ASSERT_TRUE(set_log_level("", LogLevel::err));
    ASSERT_TRUE(set_log_level("bus", LogLevel::debug));
    ASSERT_TRUE(set_log_level("devices", LogLevel::info));
    ASSERT_TRUE(set_log_level("com1", LogLevel::trace));
    EXPECT_EQ(level_of("kvm"), LogLevel::err);
    EXPECT_EQ(level_of("bus"), LogLevel::debug);
    EXPECT_EQ(level_of("com1"), LogLevel::trace);
    EXPECT_EQ(level_of("com2"), LogLevel::info) << "that of \"devices\"";
    {
        DeviceLog late("late");
        EXPECT_EQ(level_of("late"), LogLevel::info);
    }
    EXPECT_TRUE(std::ranges::none_of(log_levels(), [](const auto& entry) { return entry.name == "late"; }));
    ASSERT_TRUE(set_log_level("", LogLevel::warn));
    EXPECT_EQ(level_of("kvm"), LogLevel::warn);
    EXPECT_EQ(level_of("com1"), LogLevel::trace) << "one of its own stays";
}

TEST(Log, UnknownNamesAreRefusedWithTheNearest) {
    DeviceLog device("vda");
    const auto subsystem = set_log_level("devcies", LogLevel::info);
    ASSERT_FALSE(subsystem);
    EXPECT_EQ(subsystem.error().text(),
              "log level: there is no subsystem or device \"devcies\" (did you mean \"devices\"?)");
    const auto other = set_log_level("vdaa", LogLevel::info);
    ASSERT_FALSE(other);
    EXPECT_THAT(other.error().text(), HasSubstr("did you mean \"vda\"?"));
}

TEST(Log, DevicesLinesStartWithTheirId) {
    DeviceLog device("nic7");
    CaptureStderr();
    device.write_text(LogLevel::err, "{} is no format\x1b[2J");
    device.write(LogLevel::err, "link {}", "down");
    log_for(Subsystem::kvm).error("a line of {}", "KVM's");
    EXPECT_EQ(GetCapturedStderr(),
              "error: nic7: {} is no format\\x1b[2J\nerror: nic7: link down\nerror: a line of KVM's\n");
}

TEST(Log, ADeviceHasItsShareAndTheRestIsCounted) {
    constexpr int lines = 5000;
    CaptureStderr();
    {
        DeviceLog loud("loud");
        DeviceLog quiet("quiet");
        for (int i = 0; i < lines; ++i)
            loud.write(LogLevel::err, "line");
        quiet.write(LogLevel::err, "heard");
        std::this_thread::sleep_for(std::chrono::milliseconds(50)); // two lines' worth
        loud.write(LogLevel::err, "line");
        loud.write(LogLevel::err, "line");
        for (int i = 0; i < lines; ++i)
            loud.write(LogLevel::debug, "off, so it takes no share");
    }
    const std::string text = GetCapturedStderr();
    const long shown = count_of(text, "loud: line");
    EXPECT_GE(shown, 201);
    EXPECT_LT(shown, lines / 2); // a slow machine may take seconds over them
    EXPECT_EQ(count_of(text, "quiet: heard"), 1);
    long told = 0;
    for (auto at = text.find("loud: "); at != std::string::npos; at = text.find("loud: ", at + 1)) {
        if (const std::string rest = text.substr(at + 6, text.find('\n', at) - at - 6);
            rest.ends_with(" suppressed: too many a second")) {
            told += std::stol(rest);
        }
    }
    EXPECT_EQ(shown + told, lines + 2) << "every line was shown or counted";
}

TEST(Log, ALevelThatIsOffCostsNextToNothing) {
    LimitedLog log(Subsystem::bus);
    ASSERT_TRUE(set_log_level("bus", LogLevel::warn));
    constexpr int count = 1000000;
    const auto before = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i)
        log.write(LogLevel::debug, "read of port {:#x}", i);
    const auto took = std::chrono::steady_clock::now() - before;
    EXPECT_LT(took / count, std::chrono::nanoseconds(500)) << "formatted, though nobody asked";
}

} // namespace
} // namespace plugbay::core
