#include "terminal.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace plugbay::end_to_end {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::vector<std::vector<std::string>> blank_screen() {
    return {Terminal::rows, std::vector<std::string>(Terminal::columns, " ")};
}

std::string text_of(const std::vector<std::string>& cells) {
    std::string text;
    for (const std::string& cell : cells)
        text += cell;
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

// Bytes that the first one of a character in UTF-8 announces.
std::size_t length_of(char first) {
    const auto byte = static_cast<unsigned char>(first);
    return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

} // namespace

Terminal::Terminal(const std::vector<std::string>& command) : cells_(blank_screen()) {
    std::vector<char*> arguments;
    for (const std::string& each : command)
        arguments.push_back(const_cast<char*>(each.c_str()));
    arguments.push_back(nullptr);
    ::setenv("TERM", "xterm", 1);
    winsize size{};
    size.ws_row = rows;
    size.ws_col = columns;
    id_ = ::forkpty(&master_, nullptr, nullptr, &size);
    if (id_ < 0) throw std::system_error(errno, std::system_category(), "forkpty");
    if (id_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::execvp(arguments[0], arguments.data());
        ::_exit(127);
    }
}

Terminal::~Terminal() {
    if (id_ > 0) {
        ::kill(id_, SIGKILL);
        ::waitpid(id_, nullptr, 0);
    }
    ::close(master_);
}

void Terminal::resize(unsigned short new_rows, unsigned short new_columns) const {
    winsize size{};
    size.ws_row = new_rows;
    size.ws_col = new_columns;
    ::ioctl(master_, TIOCSWINSZ, &size);
}

void Terminal::type(std::string_view keys) const {
    if (::write(master_, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size()))
        throw std::system_error(errno, std::system_category(), "typing");
}

bool Terminal::read_some(milliseconds limit) {
    pollfd source{.fd = master_, .events = POLLIN, .revents = 0};
    if (::poll(&source, 1, static_cast<int>(std::max<std::int64_t>(0, limit.count()))) <= 0) return true;
    std::array<char, 4096> chunk{};
    const ssize_t size = ::read(master_, chunk.data(), chunk.size());
    for (ssize_t i = 0; i < size; ++i)
        take(chunk[static_cast<std::size_t>(i)]);
    return size > 0;
}

bool Terminal::wait_for(std::string_view text, milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    while (screen().find(text) == std::string::npos) {
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
        if (left.count() <= 0 || !read_some(left)) break;
    }
    return screen().find(text) != std::string::npos;
}

bool Terminal::wait_for_line(std::string_view text, milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    while (line() != text) {
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
        if (left.count() <= 0 || !read_some(left)) break;
    }
    return line() == text;
}

std::string Terminal::screen() const {
    std::string text;
    for (const Cells& row : cells_)
        text += text_of(row) + "\n";
    text.erase(text.find_last_not_of('\n') + 1);
    return text;
}

std::string Terminal::line() const {
    return text_of(cells_[static_cast<std::size_t>(row_)]);
}

int Terminal::finish(milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    int status = 0;
    while (Clock::now() < deadline) {
        const bool open = read_some(milliseconds(20));
        if (::waitpid(id_, &status, WNOHANG) == id_) {
            while (read_some(milliseconds(0)) && Clock::now() < deadline) {
                pollfd source{.fd = master_, .events = POLLIN, .revents = 0};
                if (::poll(&source, 1, 0) <= 0) break;
            }
            id_ = -1;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        }
        if (!open) std::this_thread::sleep_for(milliseconds(5));
    }
    return -1000;
}

void Terminal::next_line() {
    if (row_ + 1 < rows) {
        ++row_;
        return;
    }
    cells_.erase(cells_.begin());
    cells_.emplace_back(columns, " ");
}

void Terminal::erase(int row, int from, int to) {
    auto& cells = cells_[static_cast<std::size_t>(row)];
    std::fill(cells.begin() + from, cells.begin() + to, " ");
}

void Terminal::put(const std::string& character) {
    if (column_ == columns) {
        column_ = 0;
        next_line();
    }
    cells_[static_cast<std::size_t>(row_)][static_cast<std::size_t>(column_)] = character;
    ++column_;
}

void Terminal::take(char byte) {
    if (!pending_.empty()) {
        pending_ += byte;
        if (pending_[0] != '\x1b') {
            if (pending_.size() < length_of(pending_[0])) return;
            put(pending_);
            return pending_.clear();
        }
        if (pending_.size() == 2 && byte != '[') {
            // Of one letter, or one that chooses a character set.
            if (byte != '(' && byte != ')') pending_.clear();
            return;
        }
        if (pending_[1] == '[' ? pending_.size() > 2 && byte >= '@' && byte <= '~' : pending_.size() == 3) {
            if (pending_[1] == '[') take_sequence(byte);
            pending_.clear();
        }
        return;
    }
    switch (byte) {
    case '\x1b':
        pending_ = byte;
        return;
    case '\r':
        column_ = 0;
        return;
    case '\n':
        return next_line();
    case '\b':
        column_ = std::max(0, std::min(column_, columns - 1) - 1);
        return;
    case '\a':
    case '\0':
        return;
    case '\t':
        column_ = std::min(columns - 1, (column_ / 8 + 1) * 8);
        return;
    default:
        break;
    }
    if (length_of(byte) > 1)
        pending_ = byte;
    else
        put(std::string(1, byte));
}

// ECMA-48's control sequences.
void Terminal::take_sequence(char last) {
    const std::string inside = pending_.substr(2, pending_.size() - 3);
    if (inside == "?1049" && (last == 'h') != other_screen_) {
        other_screen_ = last == 'h';
        if (other_screen_) {
            kept_ = std::exchange(cells_, blank_screen());
            kept_row_ = row_;
            kept_column_ = column_;
        } else {
            cells_ = std::exchange(kept_, {});
            row_ = kept_row_;
            column_ = kept_column_;
        }
        return;
    }
    if (inside.starts_with('?') || inside.starts_with('>')) return;
    const int given = inside.empty() ? 0 : std::atoi(inside.c_str());
    const int count = std::max(1, given);
    const auto separator = inside.find(';');
    auto& cells = cells_[static_cast<std::size_t>(row_)];
    const int here = std::min(column_, columns - 1);
    switch (last) {
    case 'H':
        row_ = std::min(rows, count) - 1;
        column_ = separator == inside.npos
                      ? 0
                      : std::clamp(std::atoi(inside.c_str() + separator + 1), 1, columns) - 1;
        return;
    case 'A':
        row_ = std::max(0, row_ - count);
        return;
    case 'B':
        row_ = std::min(rows - 1, row_ + count);
        return;
    case 'C':
        column_ = std::min(columns - 1, here + count);
        return;
    case 'D':
        column_ = std::max(0, here - count);
        return;
    case 'G':
        column_ = std::min(columns, count) - 1;
        return;
    case 'K':
        return erase(row_, given == 0 ? column_ : 0, given == 1 ? here + 1 : columns);
    case 'J':
        if (given == 0) erase(row_, column_, columns);
        for (int row = given == 0 ? row_ + 1 : 0; row < rows; ++row)
            erase(row, 0, columns);
        return;
    case 'P':
        for (int i = 0; i < std::min(count, columns - here); ++i) {
            cells.erase(cells.begin() + here);
            cells.emplace_back(" ");
        }
        return;
    case '@':
        for (int i = 0; i < std::min(count, columns - here); ++i) {
            cells.pop_back();
            cells.insert(cells.begin() + here, " ");
        }
        return;
    case 'm':
        coloured_ = coloured_ || given != 0;
        return;
    default:
        return;
    }
}

} // namespace plugbay::end_to_end
