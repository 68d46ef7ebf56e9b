#include "core/cli/dev/tool_run.hpp"

#include "core/base/errno_error.hpp"

#include <array>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

namespace plugbay::core::dev {

namespace {

// For a build tool to remove what is half written.
constexpr std::chrono::milliseconds patience(500);

std::string why_failed(std::optional<int> status) {
    if (!status) return "could not be ended";
    if (WIFSIGNALED(*status))
        return fmt::format("ended by signal {} ({})", WTERMSIG(*status), ::strsignal(WTERMSIG(*status)));
    return WEXITSTATUS(*status) == 0 ? std::string() : fmt::format("status {}", WEXITSTATUS(*status));
}

} // namespace

Result<ToolRun> ToolRun::start(const std::vector<std::string>& words, const std::filesystem::path& folder) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return errno_error("a pipe cannot be made");
    UniqueFd output(ends[0]);
    const UniqueFd input(ends[1]);
    ::fcntl(input.get(), F_SETFL, 0); // tools do not expect otherwise
    ChildProgram program{.file = "/bin/sh",
                         .arguments = {"sh", "-c", R"(cd "$0" && exec "$@")", folder.string()},
                         .descriptors = {},
                         .output = input.get()};
    program.arguments.insert(program.arguments.end(), words.begin(), words.end());
    auto child = ChildProcess::start(program);
    if (!child) return std::move(child).error();
    return ToolRun(*std::move(child), std::move(output));
}

ToolRun::~ToolRun() {
    if (output_ && !finished_) child_.ask_to_end(patience);
}

bool ToolRun::read() {
    std::array<char, 65536> chunk;
    for (int i = 0; i < 16; ++i) { // then it is others' turn
        const ssize_t size = ::read(output_.get(), chunk.data(), chunk.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return errno == EAGAIN;
        if (size == 0) return false;
        text_.add({chunk.data(), static_cast<std::size_t>(size)});
    }
    return true;
}

ToolRun::End ToolRun::finish() {
    finished_ = true;
    const auto status = child_.end();
    (void)read();
    return {why_failed(status), text_.text()};
}

} // namespace plugbay::core::dev
