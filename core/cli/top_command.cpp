#include "core/cli/top_command.hpp"

#include "core/base/errno_error.hpp"
#include "core/cli/exit_status.hpp"
#include "core/cli/terminal_text.hpp"
#include "core/cli/top_view.hpp"
#include "core/control/control_client.hpp"

#include <plugbay/unique_fd.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <iostream>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

namespace plugbay::core {

namespace {

using namespace std::chrono;
using nlohmann::json;

constexpr milliseconds period(1000);

// The terminal's other screen, without echo; what was there before comes back at the end.
class Screen {
  public:
    Screen() {
        ::tcgetattr(STDIN_FILENO, &before_);
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
        write("\x1b[?1049h\x1b[?25l");
    }
    ~Screen() {
        write("\x1b[?25h\x1b[?1049l");
        ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    // As much of it as there is room for.
    static void draw(const std::vector<std::string>& lines, bool colours) {
        winsize size{};
        const bool known =
            ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0;
        const std::size_t rows = known ? size.ws_row : 24;
        const std::size_t columns = known ? size.ws_col : 80;
        std::string picture = "\x1b[H";
        for (std::size_t row = 0; row < rows; ++row) {
            // No line end after the last row, which would scroll.
            if (row > 0) picture += "\r\n";
            if (row < lines.size()) {
                const bool heading = row == 0 || lines[row - 1].empty();
                picture += coloured(fitted(lines[row], std::min(columns, columns_of(lines[row]))),
                                    heading ? Colour::heading : Colour::none, colours);
            }
            picture += "\x1b[K";
        }
        write(picture);
    }

  private:
    static void write(std::string_view text) { std::cout << text << std::flush; }

    termios before_{};
};

// Why sleep() is over.
enum class Wake { time, leave };

// Signals and keys that end it, and a new size that redraws.
class Waiter {
  public:
    Waiter() {
        sigset_t mask;
        ::sigemptyset(&mask);
        for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH})
            ::sigaddset(&mask, number);
        ::sigprocmask(SIG_BLOCK, &mask, nullptr);
        signals_ = UniqueFd(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
    }

    [[nodiscard]] Wake sleep(milliseconds limit) const {
        std::array<pollfd, 2> sources{pollfd{signals_.get(), POLLIN, 0}, pollfd{STDIN_FILENO, POLLIN, 0}};
        if (::poll(sources.data(), sources.size(), static_cast<int>(limit.count())) <= 0) return Wake::time;
        signalfd_siginfo signal{};
        if (sources[0].revents != 0 && ::read(signals_.get(), &signal, sizeof signal) == sizeof signal &&
            signal.ssi_signo != SIGWINCH)
            return Wake::leave;
        if (sources[1].revents == 0) return Wake::time;
        char key = 0;
        const bool typed = ::read(STDIN_FILENO, &key, 1) == 1;
        return !typed || key == 'q' || key == 'Q' ? Wake::leave : Wake::time;
    }

  private:
    UniqueFd signals_;
};

Result<TopSample> take_sample(ControlClient& client) {
    auto status = client.call("machine.status", json::object(), seconds(5));
    if (!status) return std::move(status).error();
    auto stats = client.call("stats", json::object(), seconds(5));
    if (!stats) return std::move(stats).error();
    return TopSample{std::move(*status), std::move(*stats)};
}

int tell(const Error& error, int status) {
    std::cerr << "plugbay top: " << printable(error.text()) << '\n';
    return status;
}

// Nothing: the machine was left while it runs.
Result<void> follow(ControlClient& client, TopSample before) {
    const bool colours = wants_colours(STDOUT_FILENO);
    const Screen screen;
    const Waiter waiter;
    Screen::draw(top_lines({}, before), colours);
    for (auto next = steady_clock::now() + period;;) {
        const auto left = ceil<milliseconds>(next - steady_clock::now());
        if (left.count() > 0) {
            if (waiter.sleep(left) == Wake::leave) return {};
            if (steady_clock::now() < next) continue;
        }
        auto sample = take_sample(client);
        if (!sample) return std::move(sample).error();
        Screen::draw(top_lines(before, *sample), colours);
        before = std::move(*sample);
        next = steady_clock::now() + period;
    }
}

} // namespace

int top_command(const std::string& machine) {
    auto client = ControlClient::find(machine);
    if (!client) return tell(client.error(), exit_status::no_machine);
    auto sample = take_sample(*client);
    if (!sample) return tell(sample.error(), exit_status::failure);
    if (::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0) {
        const auto followed = follow(*client, std::move(*sample));
        if (followed) return exit_status::success;
        if (!client->ended()) return tell(followed.error(), exit_status::failure);
        std::cout << "The machine has ended.\n";
        return exit_status::success;
    }
    ::usleep(static_cast<useconds_t>(duration_cast<microseconds>(period).count()));
    const auto second = take_sample(*client);
    if (!second) return tell(second.error(), exit_status::failure);
    for (const std::string& line : top_lines(*sample, *second))
        std::cout << line << '\n';
    return exit_status::success;
}

} // namespace plugbay::core
