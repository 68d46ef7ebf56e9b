#include "core/base/log_target.hpp"

#include "core/base/errno_error.hpp"

#include <plugbay/unique_fd.hpp>
#include <spdlog/details/os.h>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <syslog.h>
#include <unistd.h>

namespace plugbay::core {

namespace {

// Waits where the descriptor would not, as one may that shares a terminal with others.
bool write_all(int file, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto count = ::write(file, bytes.data(), bytes.size());
        if (count >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) {
            pollfd room{.fd = file, .events = POLLOUT, .revents = 0};
            ::poll(&room, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

class LineStream {
  public:
    LineStream(int file, LogFormat format) : file_(file), format_(format) {}

    bool operator()(const LogRecord& record) {
        // A line that the disk had no room for may be there in part.
        std::string line = torn_ ? "\n" : "";
        line += log_line(record, format_);
        line += '\n';
        torn_ = !write_all(file_, line);
        return !torn_;
    }

  private:
    int file_;
    LogFormat format_;
    bool torn_ = false;
};

int syslog_priority(LogLevel level) {
    switch (level) {
    case LogLevel::trace:
    case LogLevel::debug:
        return LOG_DEBUG;
    case LogLevel::info:
        return LOG_INFO;
    case LogLevel::warn:
        return LOG_WARNING;
    default:
        return LOG_ERR;
    }
}

} // namespace

LogWriter::Target standard_error_target(bool json) {
    const bool coloured =
        spdlog::details::os::in_terminal(stderr) && spdlog::details::os::is_color_terminal();
    return LineStream(STDERR_FILENO, json       ? LogFormat::json
                                     : coloured ? LogFormat::coloured
                                                : LogFormat::terminal);
}

Result<LogWriter::Target> file_target(const std::string& path, bool json) {
    // Not blocking, for a FIFO: nobody may be at its other end.
    auto file = std::make_shared<UniqueFd>(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
    if (!*file) return errno_error("cannot open the log file " + path);
    return LogWriter::Target(
        [file, stream = LineStream(file->get(), json ? LogFormat::json : LogFormat::dated)](
            const LogRecord& record) mutable { return stream(record); });
}

LogWriter::Target syslog_target(bool json) {
    ::openlog("plugbay", LOG_PID, LOG_DAEMON);
    return [json](const LogRecord& record) {
        const std::string line = log_line(record, json ? LogFormat::json : LogFormat::undated);
        ::syslog(syslog_priority(record.level), "%s", line.c_str());
        return true;
    };
}

} // namespace plugbay::core
