// Bytes that the guest writes, as lines that wait to be shown.
#pragma once

#include <plugbay/byte_queue.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

class LineBuffer {
  public:
    static constexpr std::size_t longest_line = 1024; // bytes; longer ones become several
    static constexpr std::size_t most_waiting = 16384;

    LineBuffer() { line_.reserve(longest_line); }

    // Allocates nothing. True when a line has been completed, or lost.
    bool add(std::uint8_t byte) {
        if (byte == '\n') return end_line();
        if (byte == '\r' || byte == '\0') return false;
        line_.push_back(byte);
        return line_.size() == longest_line && end_line();
    }
    // What was begun becomes a line.
    void end_line_if_begun() {
        if (!line_.empty()) end_line();
    }

    // Copies the next line, with its newline; 0: none waits.
    using Line = std::array<std::uint8_t, longest_line + 1>;
    std::size_t peek(Line& line) const {
        const std::size_t count = waiting_.peek(line);
        const auto end = std::find(line.begin(), line.begin() + count, std::uint8_t{'\n'});
        return std::min<std::size_t>(static_cast<std::size_t>(end - line.begin()) + 1, count);
    }
    void drop(std::size_t bytes) { waiting_.drop(bytes); }
    [[nodiscard]] bool empty() const { return waiting_.empty(); }
    // Lines that had no room, once those before them are gone; asking forgets them.
    std::uint64_t take_lost() { return waiting_.empty() ? std::exchange(lost_, 0) : 0; }

    void clear() {
        line_.clear();
        waiting_.clear();
        lost_ = 0;
    }
    void state(auto& fields) {
        fields("line", line_, longest_line - 1);
        fields("waiting", waiting_);
        fields("lost", lost_);
    }

  private:
    bool end_line() {
        constexpr std::uint8_t newline = '\n';
        if (lost_ == 0 && waiting_.room() > line_.size()) {
            waiting_.append(line_);
            waiting_.append(std::span(&newline, 1));
        } else {
            ++lost_; // whole lines, until all that wait are shown: one gap, not many
        }
        line_.clear();
        return true;
    }

    std::vector<std::uint8_t> line_;
    plugbay::ByteQueue waiting_{most_waiting};
    std::uint64_t lost_ = 0;
};
