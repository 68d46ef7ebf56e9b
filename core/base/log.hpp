// The monitor's log: a logger for each subsystem and for each device, with levels of their own. Lines are written by a
// thread of the log's (log_writer.hpp), so nobody who logs waits for the terminal or the disk.
//
// On a guest's access path, and for whatever else a guest can cause, only through LimitedLog or DeviceLog.
#pragma once

#include "core/base/log_line.hpp"
#include "core/base/rate_limiter.hpp"
#include "core/base/result.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/logger.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugbay::core {

// Named as in name_of(): `hot_plug` is "hot-plug".
enum class Subsystem : std::uint8_t {
    boot,
    bus,
    control,
    devices, // its level is also that of devices that have none of their own
    hot_plug,
    io,
    kvm,
    machine,
    pci,
    plugins,
    registry,
};
inline constexpr std::size_t subsystem_count = 11;
[[nodiscard]] std::string_view name_of(Subsystem subsystem);

// A level is looked for by the name of the subsystem or device, for a device then in that of "devices", and then here.
struct LogLevels {
    LogLevel general = LogLevel::warn;
    std::map<std::string, LogLevel, std::less<>> named = {}; // may name devices that come later
};

struct LogOptions {
    LogLevels levels = {};
    std::string file = {}; // empty: no file
    bool syslog = false;   // with neither, standard error
    bool json = false;     // one object a line
};

// Opens the log. Once, before there are other threads; what is logged before goes to standard error at once.
[[nodiscard]] Result<void> start_log(const LogOptions& options);
// Waits until all is written, a second at most. Thread: any.
void flush_log();
// False when the log is a file or the system's.
[[nodiscard]] bool log_is_on_standard_error();

// Thread: any. Asking for a level that is off costs a load and a compare.
[[nodiscard]] spdlog::logger& log_for(Subsystem subsystem);

// --- levels at run time. Thread: any.

struct LogLevelEntry {
    std::string name;
    bool device = false;
    LogLevel level = LogLevel::info;
};
// All subsystems, then the devices that there are.
[[nodiscard]] std::vector<LogLevelEntry> log_levels();
// Of a subsystem or a device; the error names the nearest there is. An empty name: of all that have no level of their own.
[[nodiscard]] Result<void> set_log_level(std::string_view name, LogLevel level);

// --- what guests can cause

// Lets as many lines through as a person can use, and says how many it did not. Thread: any; no lock but for the queue of
// lines.
class LimitedLog {
  public:
    explicit LimitedLog(Subsystem subsystem);
    LimitedLog(const LimitedLog&) = delete;
    LimitedLog& operator=(const LimitedLog&) = delete;
    ~LimitedLog();

    template <typename... Arguments>
    void write(LogLevel level, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        if (!logger_->should_log(level) || !allowed(level)) return;
        write_formatted(level, format, fmt::make_format_args(arguments...));
    }
    void write_text(LogLevel level, std::string_view text) {
        if (!logger_->should_log(level) || !allowed(level)) return;
        logger_->log(level, spdlog::string_view_t(text.data(), text.size()));
    }

  protected:
    LimitedLog(std::shared_ptr<spdlog::logger> logger, std::uint32_t per_second, std::uint32_t burst)
        : logger_(std::move(logger)), limiter_(per_second, burst) {}

    const std::shared_ptr<spdlog::logger> logger_;

  private:
    [[nodiscard]] bool allowed(LogLevel level) {
        std::uint64_t suppressed = 0;
        if (!limiter_.allow(suppressed)) return false;
        if (suppressed != 0) tell_suppressed(level, suppressed);
        return true;
    }
    void tell_suppressed(LogLevel level, std::uint64_t count);
    // Out of line: the logger's own template costs each place that calls it half a second to compile.
    void write_formatted(LogLevel level, fmt::string_view format, fmt::format_args arguments);

    RateLimiter limiter_;
};

// What one device says, and what the core says of it: 50 lines a second, after a pause 200 at once. The device is in
// log_levels() while this lives.
class DeviceLog : public LimitedLog {
  public:
    explicit DeviceLog(const std::string& id);
    ~DeviceLog();
};

// Of the names that levels were given to at the start, the first that is neither a subsystem's nor among `devices` and
// resembles one that is: a slip of the keyboard. Others may be devices that come later.
[[nodiscard]] Result<void> check_level_names(std::span<const std::string> devices);

} // namespace plugbay::core
