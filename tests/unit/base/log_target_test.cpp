#include "core/base/log_target.hpp"

#include <plugbay/unique_fd.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace plugbay::core {
namespace {

using testing::ElementsAre;
using testing::MatchesRegex;

// A /dev of this process's own, in which there is nothing. False: the system does not let it.
bool own_devices() {
    const int spaces = ::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
    return ::unshare(spaces) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("none", "/dev", "tmpfs", 0, nullptr) == 0;
}

// Where the C library sends lines of the system's log.
UniqueFd system_log() {
    UniqueFd log(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string("/dev/log").copy(address.sun_path, sizeof address.sun_path - 1);
    if (::bind(log.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
    return log;
}

constexpr int not_possible = 77;

// In a process of its own: the lines that the system's log gets, each with a newline behind it.
int write_to_system_log(int output, const std::vector<LogRecord>& records, bool json) {
    if (!own_devices()) return not_possible;
    const UniqueFd log = system_log();
    if (!log) return not_possible;
    auto target = syslog_target(json);
    for (const LogRecord& record : records) {
        std::array<char, 4096> line{};
        if (!target(record)) return 1;
        const ssize_t length = ::recv(log.get(), line.data(), line.size() - 1, 0);
        if (length <= 0) return 2;
        line[static_cast<std::size_t>(length)] = '\n';
        if (::write(output, line.data(), static_cast<std::size_t>(length) + 1) <= 0) return 3;
    }
    return 0;
}

class SystemLog : public testing::Test {
  protected:
    std::vector<std::string> lines_of(const std::vector<LogRecord>& records, bool json) {
        int ends[2] = {-1, -1};
        if (::pipe(ends) != 0) return {"no pipe"};
        const pid_t child = ::fork();
        if (child == 0) ::_exit(write_to_system_log(ends[1], records, json));
        ::close(ends[1]);
        const UniqueFd input(ends[0]);
        std::string text;
        std::array<char, 4096> chunk{};
        for (ssize_t got = 0; (got = ::read(input.get(), chunk.data(), chunk.size())) > 0;)
            text.append(chunk.data(), static_cast<std::size_t>(got));
        int status = 0;
        ::waitpid(child, &status, 0);
        possible_ = !WIFEXITED(status) || WEXITSTATUS(status) != not_possible;
        if (possible_) {
            EXPECT_EQ(status, 0);
        }
        std::vector<std::string> lines;
        for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1))
            lines.push_back(text.substr(0, end));
        return lines;
    }
    bool possible_ = true;
};

// The facility is "daemon" (3), which stands above the level's three bits. What a device says is no format.
TEST_F(SystemLog, GetsEachLineWithItsLevel) {
    const auto lines = lines_of({{.level = LogLevel::err, .device = true, .source = "com1", .text = "%n%s"},
                                 {.level = LogLevel::warn, .device = true, .source = "com1", .text = "two"},
                                 {.level = LogLevel::info, .source = "kvm", .text = "three"},
                                 {.level = LogLevel::debug, .source = "kvm", .text = "four"},
                                 {.level = LogLevel::trace, .source = "kvm", .text = "five"}},
                                false);
    if (!possible_)
        GTEST_SKIP() << "this system gives no mount namespace, in which there would be a /dev/log";
    EXPECT_THAT(lines, ElementsAre(MatchesRegex("<27>.* plugbay\\[[0-9]+\\]: com1: %n%s"),
                                   MatchesRegex("<28>.* plugbay\\[[0-9]+\\]: com1: two"),
                                   MatchesRegex("<30>.* plugbay\\[[0-9]+\\]: kvm: three"),
                                   MatchesRegex("<31>.* plugbay\\[[0-9]+\\]: kvm: four"),
                                   MatchesRegex("<31>.* plugbay\\[[0-9]+\\]: kvm: five")));
}

TEST_F(SystemLog, GetsObjectsIfAskedTo) {
    const auto lines =
        lines_of({{.level = LogLevel::warn, .device = true, .source = "com1", .text = "a\nb"}}, true);
    if (!possible_)
        GTEST_SKIP() << "this system gives no mount namespace, in which there would be a /dev/log";
    EXPECT_THAT(lines, ElementsAre(MatchesRegex("<28>.* plugbay\\[[0-9]+\\]: \\{.*\"device\":\"com1\".*"
                                                "\"text\":\"a\\\\nb\".*\\}")));
}

} // namespace
} // namespace plugbay::core
