#include "core/base/log.hpp"

#include "core/base/log_target.hpp"
#include "core/base/log_writer.hpp"
#include "core/base/nearest_name.hpp"

#include <spdlog/sinks/sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

namespace plugbay::core {

namespace {

constexpr std::array<std::string_view, subsystem_count> names = {
    "boot", "bus", "control", "devices", "hot-plug", "io", "kvm", "machine", "pci", "plugins", "registry"};

constexpr std::chrono::seconds flush_limit{1};

// From spdlog to the writer.
class RecordSink final : public spdlog::sinks::sink {
  public:
    RecordSink(const std::atomic<LogWriter*>& writer, bool of_devices)
        : writer_(writer), of_devices_(of_devices) {}

    void log(const spdlog::details::log_msg& message) override {
        LogRecord record{.time = message.time,
                         .level = message.level,
                         .device = of_devices_,
                         .source = {message.logger_name.data(), message.logger_name.size()},
                         .text = {message.payload.data(), message.payload.size()}};
        if (LogWriter* writer = writer_.load(std::memory_order_acquire))
            writer->push(std::move(record));
        else
            standard_error_target(false)(record);
    }
    void flush() override {}
    void set_pattern(const std::string&) override {}
    void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

  private:
    const std::atomic<LogWriter*>& writer_;
    const bool of_devices_;
};

using Logger = std::shared_ptr<spdlog::logger>;

class Log {
  public:
    Log() {
        for (std::size_t i = 0; i < subsystem_count; ++i)
            subsystems_[i] = make(std::string(names[i]), false);
        // For lines that name no subsystem.
        spdlog::set_default_logger(subsystem(Subsystem::machine));
    }

    void start(std::unique_ptr<LogWriter> writer, const LogOptions& options) {
        const std::lock_guard guard(mutex_);
        levels_ = options.levels;
        on_standard_error_ = options.file.empty() && !options.syslog;
        apply_levels();
        writer_.store(writer.release(), std::memory_order_release);
    }
    [[nodiscard]] LogWriter* writer() const { return writer_.load(std::memory_order_acquire); }
    [[nodiscard]] bool on_standard_error() const { return on_standard_error_; }

    [[nodiscard]] const Logger& subsystem(Subsystem subsystem) const {
        return subsystems_[static_cast<std::size_t>(subsystem)];
    }
    [[nodiscard]] Logger add_device(const std::string& id) {
        Logger logger = make(id, true);
        const std::lock_guard guard(mutex_);
        devices_.push_back(logger);
        apply_levels();
        return logger;
    }
    void remove_device(const Logger& logger) {
        const std::lock_guard guard(mutex_);
        std::erase(devices_, logger);
    }

    [[nodiscard]] std::vector<LogLevelEntry> list() {
        std::vector<LogLevelEntry> result;
        const std::lock_guard guard(mutex_);
        for (const Logger& each : subsystems_)
            result.push_back({.name = each->name(), .device = false, .level = each->level()});
        for (const Logger& each : devices_)
            result.push_back({.name = each->name(), .device = true, .level = each->level()});
        return result;
    }
    Result<void> set(std::string_view name, LogLevel level) {
        const std::lock_guard guard(mutex_);
        const auto is_named = [name](const Logger& each) { return each->name() == name; };
        if (name.empty()) {
            levels_.general = level;
        } else if (std::ranges::any_of(subsystems_, is_named) || std::ranges::any_of(devices_, is_named)) {
            levels_.named.insert_or_assign(std::string(name), level);
        } else {
            std::vector<std::string> known;
            for (const Logger& each : devices_)
                known.push_back(each->name());
            return unknown(name, std::move(known));
        }
        apply_levels();
        return {};
    }
    Result<void> check(std::span<const std::string> devices) {
        const std::lock_guard guard(mutex_);
        for (const auto& [name, level] : levels_.named) {
            if (std::ranges::find(names, name) != names.end() ||
                std::ranges::find(devices, name) != devices.end()) {
                continue;
            }
            Error error = unknown(name, {devices.begin(), devices.end()});
            if (!error.hint.empty()) return error;
        }
        return {};
    }

  private:
    [[nodiscard]] Logger make(const std::string& name, bool of_device) {
        auto logger = std::make_shared<spdlog::logger>(name, of_device ? device_sink_ : subsystem_sink_);
        logger->set_level(levels_.general);
        // Without memory for a line there is none for a line about it.
        logger->set_error_handler([](const std::string&) {});
        return logger;
    }
    // With a hint exactly when there is a name that can have been meant.
    [[nodiscard]] static Error unknown(std::string_view name, std::vector<std::string> known) {
        known.insert(known.begin(), names.begin(), names.end());
        const std::string nearest = nearest_name(name, known);
        return {fmt::format("log level: there is no subsystem or device \"{}\"", name),
                nearest.empty() ? "" : "did you mean \"" + nearest + "\"?"};
    }
    // Caller holds mutex_.
    void apply_levels() {
        const auto level_of = [this](std::string_view name, LogLevel otherwise) {
            const auto found = levels_.named.find(name);
            return found == levels_.named.end() ? otherwise : found->second;
        };
        for (const Logger& each : subsystems_)
            each->set_level(level_of(each->name(), levels_.general));
        const LogLevel devices = subsystem(Subsystem::devices)->level();
        for (const Logger& each : devices_)
            each->set_level(level_of(each->name(), devices));
    }

    std::atomic<LogWriter*> writer_{nullptr}; // never freed: plugins' threads may log to the last
    const std::shared_ptr<RecordSink> subsystem_sink_ = std::make_shared<RecordSink>(writer_, false);
    const std::shared_ptr<RecordSink> device_sink_ = std::make_shared<RecordSink>(writer_, true);
    std::array<Logger, subsystem_count> subsystems_;
    bool on_standard_error_ = true;
    std::mutex mutex_; // for what follows. Nothing is taken under it
    LogLevels levels_;
    std::vector<Logger> devices_;
};

// Never destroyed, like the writer.
Log& the_log() {
    static Log& log = *new Log;
    return log;
}

} // namespace

std::string_view name_of(Subsystem subsystem) {
    return names[static_cast<std::size_t>(subsystem)];
}

Result<void> start_log(const LogOptions& options) {
    LogWriter::Target target;
    if (!options.file.empty()) {
        auto file = file_target(options.file, options.json);
        if (!file) return std::move(file).error();
        target = std::move(*file);
    } else {
        target = options.syslog ? syslog_target(options.json) : standard_error_target(options.json);
    }
    auto writer = LogWriter::start(std::move(target));
    if (!writer) return std::move(writer).error();
    the_log().start(std::move(*writer), options);
    return {};
}

void flush_log() {
    if (LogWriter* writer = the_log().writer()) writer->flush(flush_limit);
}

bool log_is_on_standard_error() {
    return the_log().on_standard_error();
}

spdlog::logger& log_for(Subsystem subsystem) {
    return *the_log().subsystem(subsystem);
}

std::vector<LogLevelEntry> log_levels() {
    return the_log().list();
}

Result<void> set_log_level(std::string_view name, LogLevel level) {
    return the_log().set(name, level);
}

Result<void> check_level_names(std::span<const std::string> devices) {
    return the_log().check(devices);
}

LimitedLog::LimitedLog(Subsystem subsystem) : LimitedLog(the_log().subsystem(subsystem), 5, 20) {}

LimitedLog::~LimitedLog() {
    if (const std::uint64_t count = limiter_.take_suppressed(); count != 0)
        tell_suppressed(LogLevel::warn, count);
}

void LimitedLog::write_formatted(LogLevel level, fmt::string_view format, fmt::format_args arguments) {
    fmt::memory_buffer text;
    fmt::vformat_to(std::back_inserter(text), format, arguments);
    logger_->log(level, spdlog::string_view_t(text.data(), text.size()));
}

void LimitedLog::tell_suppressed(LogLevel level, std::uint64_t count) {
    logger_->log(level, "{} {} suppressed: too many a second", count,
                 count == 1 ? "message was" : "messages were");
}

DeviceLog::DeviceLog(const std::string& id) : LimitedLog(the_log().add_device(id), 50, 200) {}

DeviceLog::~DeviceLog() {
    the_log().remove_device(logger_);
}

} // namespace plugbay::core
