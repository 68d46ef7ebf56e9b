#include "core/cli/dev/own_machine.hpp"

#include "core/base/errno_error.hpp"

#include <array>
#include <chrono>
#include <fcntl.h>
#include <fmt/format.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace plugbay::core::dev {

namespace {

// For devices to finish what they have in flight.
constexpr std::chrono::seconds patience(5);
constexpr std::size_t longest_line = 4096;

} // namespace

Result<OwnMachine> OwnMachine::start(const std::filesystem::path& file, const std::string& name,
                                     const std::vector<std::filesystem::path>& plugins) {
    int master = -1;
    int slave = -1;
    winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    if (::openpty(&master, &slave, nullptr, nullptr, &size) != 0)
        return errno_error("a pseudo-terminal for the machine cannot be made");
    UniqueFd console(master);
    UniqueFd terminal(slave);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("a pipe cannot be made");
    UniqueFd messages(ends[0]);
    const UniqueFd errors(ends[1]);
    for (const int each : {console.get(), messages.get()})
        ::fcntl(each, F_SETFL, O_NONBLOCK);
    for (const int each : {console.get(), terminal.get()})
        ::fcntl(each, F_SETFD, FD_CLOEXEC);
    std::error_code failed;
    const auto binary = std::filesystem::read_symlink("/proc/self/exe", failed);
    ChildProgram program{.file = "/bin/sh",
                         .arguments = {"sh", "-c", R"(exec "$0" "$@" <&3 >&3 3>&-)", binary.string(), "run",
                                       file.string(), "--name", name},
                         .descriptors = {terminal.get()},
                         .output = errors.get()};
    for (const auto& each : plugins)
        program.arguments.insert(program.arguments.end(), {"--plugin", each.string()});
    auto child = ChildProcess::start(program);
    if (!child) return std::move(child).error();
    return OwnMachine(*std::move(child), std::move(console), std::move(terminal), std::move(messages));
}

OwnMachine::~OwnMachine() {
    if (console_ && !finished_) child_.ask_to_end(patience);
}

bool OwnMachine::read_console() {
    std::array<char, 16384> chunk;
    const ssize_t size = ::read(console_.get(), chunk.data(), chunk.size());
    if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
    unseen_.append(chunk.data(), static_cast<std::size_t>(size));
    if (unseen_.size() > most_kept) unseen_.erase(0, unseen_.size() - most_kept);
    return true;
}

std::string OwnMachine::take_console() {
    return std::exchange(unseen_, {});
}

std::string OwnMachine::take_messages(bool all) {
    std::array<char, 16384> chunk;
    const ssize_t size = ::read(messages_.get(), chunk.data(), chunk.size());
    if (size > 0) line_.append(chunk.data(), static_cast<std::size_t>(size));
    if (size == 0) messages_.reset(); // there is nothing to wait for any more
    const std::size_t lines = all || line_.size() > longest_line ? line_.size() : line_.rfind('\n') + 1;
    std::string taken = line_.substr(0, lines);
    line_.erase(0, lines);
    return taken;
}

void OwnMachine::type(std::string_view keys) const {
    (void)!::write(console_.get(), keys.data(), keys.size());
}

std::string OwnMachine::finish() {
    finished_ = true;
    const auto status = child_.end();
    if (!status) return "it could not be ended";
    if (WIFSIGNALED(*status)) return fmt::format("killed by signal {}", WTERMSIG(*status));
    return fmt::format("status {}", WEXITSTATUS(*status));
}

} // namespace plugbay::core::dev
