#include "tests/guests/machine/monitor.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace plugbay::end_to_end {

namespace {

using Clock = std::chrono::steady_clock;

std::array<int, 2> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe2");
    return ends;
}

void close_file(int& file) {
    if (file >= 0) ::close(file);
    file = -1;
}

// In the child, so only what is safe after fork.
[[noreturn]] void become(char* const* arguments, int input, int output, int errors) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(input, STDIN_FILENO);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(errors, STDERR_FILENO);
    ::execvp(arguments[0], arguments);
    ::_exit(127);
}

} // namespace

std::string Outcome::text() const {
    return "status " + std::to_string(status) + (timed_out ? " (killed at the limit)" : "") + " after " +
           std::to_string(took.count()) + " ms\noutput:\n" + output.substr(0, 2000) + "\nerrors:\n" +
           errors.substr(0, 4000);
}

std::string plugbay_binary() {
    return PLUGBAY_BINARY;
}

std::vector<std::string> plugbay_command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), plugbay_binary());
    return arguments;
}

std::string kvm_problem() {
    const int file = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (file < 0) return std::string("no KVM here: /dev/kvm: ") + std::strerror(errno);
    ::close(file);
    return "";
}

Child::Child(const std::vector<std::string>& command) : started_(Clock::now()) {
    std::signal(SIGPIPE, SIG_IGN);
    ::unsetenv("PLUGBAY_PLUGIN_PATH");
    std::vector<char*> arguments;
    for (const std::string& each : command)
        arguments.push_back(const_cast<char*>(each.c_str()));
    arguments.push_back(nullptr);
    auto input = make_pipe();
    auto output = make_pipe();
    auto errors = make_pipe();
    id_ = ::fork();
    if (id_ == 0) become(arguments.data(), input[0], output[1], errors[1]);
    close_file(input[0]);
    close_file(output[1]);
    close_file(errors[1]);
    input_ = input[1];
    streams_[0] = output[0];
    streams_[1] = errors[0];
    if (id_ < 0) throw std::system_error(errno, std::system_category(), "fork");
    ::setpgid(id_, id_); // whoever is first
}

Child::~Child() {
    if (id_ > 0) {
        ::kill(-id_, SIGKILL);
        ::waitpid(id_, nullptr, 0);
    }
    close_file(input_);
    for (int& stream : streams_)
        close_file(stream);
}

void Child::send_signal(int number) const {
    if (id_ > 0) ::kill(id_, number); // -1 would be every process there is
}

void Child::type(std::string_view text) {
    while (!text.empty()) {
        const auto count = ::write(input_, text.data(), text.size());
        if (count <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

void Child::close_input() {
    close_file(input_);
}

bool Child::read_some(Clock::time_point deadline) {
    std::array<pollfd, 2> sources{{{.fd = streams_[0], .events = POLLIN, .revents = 0},
                                   {.fd = streams_[1], .events = POLLIN, .revents = 0}}};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (::poll(sources.data(), sources.size(), left.count() > 0 ? static_cast<int>(left.count()) : 0) <= 0)
        return true;
    for (std::size_t i = 0; i < sources.size(); ++i) {
        if (sources[i].revents == 0) continue;
        std::array<char, 65536> buffer{};
        const auto count = ::read(streams_[i], buffer.data(), buffer.size());
        if (count > 0)
            (i == 0 ? outcome_.output : outcome_.errors)
                .append(buffer.data(), static_cast<std::size_t>(count));
        else
            close_file(streams_[i]);
    }
    return streams_[0] >= 0 || streams_[1] >= 0;
}

bool Child::wait_for_output(std::string_view text, std::chrono::milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    while (outcome_.output.find(text) == std::string::npos) {
        if (Clock::now() >= deadline || !read_some(deadline)) break;
    }
    return outcome_.output.find(text) != std::string::npos;
}

Outcome Child::finish(std::chrono::milliseconds limit) {
    if (id_ <= 0) throw std::logic_error("Child::finish was called before");
    const auto deadline = Clock::now() + limit;
    while (Clock::now() < deadline && read_some(deadline)) {
    }
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(id_, &status, WNOHANG)) == 0 && Clock::now() < deadline)
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    outcome_.took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started_);
    if (ended == 0) {
        outcome_.timed_out = true;
        ::kill(-id_, SIGKILL);
        ::waitpid(id_, &status, 0);
    }
    if (ended < 0) throw std::system_error(errno, std::system_category(), "waitpid");
    outcome_.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    outcome_.left_children = ::kill(-id_, 0) == 0;
    if (outcome_.left_children) ::kill(-id_, SIGKILL);
    id_ = -1;
    return outcome_;
}

Outcome run(const std::vector<std::string>& command, std::chrono::milliseconds limit) {
    Child child(command);
    child.close_input();
    return child.finish(limit);
}

} // namespace plugbay::end_to_end
