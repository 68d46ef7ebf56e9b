// From sources to plugin files: set up, build, test, one process after the other. Nothing here waits.
#pragma once

#include "core/cli/dev/build_plan.hpp"
#include "core/cli/dev/tool_run.hpp"

#include <chrono>
#include <optional>
#include <poll.h>
#include <string>
#include <vector>

namespace plugbay::core::dev {

class BuildCycle {
  public:
    enum class State { idle, setting_up, building, testing, failed, tests_failed, done };

    explicit BuildCycle(BuildPlan plan) : plan_(std::move(plan)) {}

    // From the beginning; what runs is ended. It has failed at once if nothing runs then.
    void start();
    // Ends what runs.
    void abandon();
    [[nodiscard]] bool running() const { return run_.has_value(); }
    [[nodiscard]] State state() const { return state_; }

    // What is to be waited for, before proceed().
    void add_sources(std::vector<pollfd>& sources) const;
    // Takes what is there, and goes on when a process has ended. True when that was the last one.
    [[nodiscard]] bool proceed();

    // Of the state that it ended in: what the tool that failed wrote, or what the build did, and why it failed.
    [[nodiscard]] const std::string& output() const { return output_; }
    [[nodiscard]] const std::string& why() const { return why_; }
    using Duration = std::chrono::steady_clock::duration;
    [[nodiscard]] Duration build_took() const { return build_took_; } // with the setting up
    [[nodiscard]] Duration tests_took() const { return tests_took_; } // 0: there are none
    [[nodiscard]] const BuildPlan& plan() const { return plan_; }

  private:
    void begin(State state, const std::vector<std::string>& command);
    void fail(const std::string& why, std::string output);
    // Of the process that has ended well.
    void go_on();

    BuildPlan plan_;
    State state_ = State::idle;
    std::optional<ToolRun> run_;
    bool output_open_ = false;
    std::string output_;
    std::string why_;
    std::chrono::steady_clock::time_point began_;
    Duration build_took_{};
    Duration tests_took_{};
};

} // namespace plugbay::core::dev
