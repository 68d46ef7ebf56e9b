#include "core/cli/dev/build_cycle.hpp"

namespace plugbay::core::dev {

void BuildCycle::start() {
    abandon();
    output_.clear();
    why_.clear();
    build_took_ = tests_took_ = {};
    began_ = std::chrono::steady_clock::now();
    if (plan_.wants_set_up())
        begin(State::setting_up, plan_.set_up);
    else
        begin(State::building, plan_.build);
}

void BuildCycle::abandon() {
    run_.reset();
    state_ = State::idle;
}

void BuildCycle::begin(State state, const std::vector<std::string>& command) {
    run_.reset();
    state_ = state;
    auto run = ToolRun::start(command, plan_.folder);
    if (!run) {
        fail(run.error().text(), "");
        return;
    }
    run_.emplace(*std::move(run));
    output_open_ = true;
}

void BuildCycle::fail(const std::string& why, std::string output) {
    const auto now = std::chrono::steady_clock::now();
    (state_ == State::testing ? tests_took_ : build_took_) = now - began_;
    state_ = state_ == State::testing ? State::tests_failed : State::failed;
    why_ = why;
    output_ = std::move(output);
    run_.reset();
}

void BuildCycle::add_sources(std::vector<pollfd>& sources) const {
    if (!run_) return;
    if (output_open_) sources.push_back({run_->output(), POLLIN, 0});
    sources.push_back({run_->ended(), POLLIN, 0});
}

bool BuildCycle::proceed() {
    if (!run_) return false;
    if (output_open_) output_open_ = run_->read();
    pollfd ended{run_->ended(), POLLIN, 0};
    if (::poll(&ended, 1, 0) <= 0) return false;
    ToolRun::End end = run_->finish();
    if (state_ != State::testing) end.output = without_build_tool(end.output);
    if (!end.why.empty()) {
        fail(end.why, std::move(end.output));
        return true;
    }
    if (state_ == State::building) output_ = std::move(end.output); // warnings
    go_on();
    return !running();
}

void BuildCycle::go_on() {
    if (state_ == State::setting_up) {
        plan_.note_set_up();
        begin(State::building, plan_.build);
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    (state_ == State::testing ? tests_took_ : build_took_) = now - began_;
    began_ = now;
    if (const auto command = plan_.test_command(); state_ == State::building && !command.empty()) {
        begin(State::testing, command);
        return;
    }
    run_.reset();
    state_ = State::done;
}

} // namespace plugbay::core::dev
