// The parent's ear: what a rehearsal's child reports, prints and ends of. Everything that it says may be the plugin's
// invention, and is bounded.
#pragma once

#include "core/hotswap/child_process.hpp"
#include "core/hotswap/rehearsal.hpp"

#include <plugbay/unique_fd.hpp>

#include <chrono>
#include <string>
#include <string_view>

namespace plugbay::core {

class RehearsalWatch {
  public:
    // The pipes do not wait.
    RehearsalWatch(ChildProcess child, UniqueFd report, UniqueFd output)
        : child_(std::move(child)), report_pipe_(std::move(report)), output_pipe_(std::move(output)) {}

    // Until it has ended, or `deadline`, or `call_off` is readable (-1: never), when it is killed. `limit` is for the report.
    [[nodiscard]] RehearsalReport wait(std::chrono::steady_clock::time_point deadline,
                                       std::chrono::milliseconds limit, int call_off);

  private:
    enum class Ended { by_itself, late, talkative, called_off };

    [[nodiscard]] Ended listen(std::chrono::steady_clock::time_point deadline, int call_off);
    void read_report();
    void read_output();
    void take_line(std::string_view line);
    void conclude(Ended how, std::optional<int> status, std::chrono::milliseconds limit);
    void explain_exit(int status);

    ChildProcess child_;
    UniqueFd report_pipe_;
    UniqueFd output_pipe_;
    std::string unread_; // of the report, without its end
    std::size_t reported_ = 0;
    std::string output_; // the end of it
    bool decided_ = false;
    RehearsalReport result_;
};

} // namespace plugbay::core
